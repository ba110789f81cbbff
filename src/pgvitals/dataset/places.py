"""Places that belong together: city, state, ZIP code, area code and time zone of American cities.

Cities stand in order of size, and the k-th largest triple weighs 1 / (k + 3) (Zipf–Mandelbrot), so that
city, state and ZIP code are correlated the way a planner meets them in practice. ZIP codes start with
the city's real prefix, and telephone numbers with its area code.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pgvitals.dataset.sizes import zipf_weights
from pgvitals.dataset.streams import F64, I64, Stream, Text, position_at

_CITIES = """
New York NY 100 212|Los Angeles CA 900 213|Chicago IL 606 312|Houston TX 770 713|Phoenix AZ 850 602
Philadelphia PA 191 215|San Antonio TX 782 210|San Diego CA 921 619|Dallas TX 752 214|Jacksonville FL 322 904
Austin TX 787 512|Fort Worth TX 761 817|San Jose CA 951 408|Columbus OH 432 614|Charlotte NC 282 704
Indianapolis IN 462 317|San Francisco CA 941 415|Seattle WA 981 206|Denver CO 802 303|Oklahoma City OK 731 405
Nashville TN 372 615|Washington DC 200 202|El Paso TX 799 915|Las Vegas NV 891 702|Boston MA 021 617
Detroit MI 482 313|Louisville KY 402 502|Portland OR 972 503|Memphis TN 381 901|Baltimore MD 212 410
Milwaukee WI 532 414|Albuquerque NM 871 505|Tucson AZ 857 520|Fresno CA 937 559|Sacramento CA 958 916
Mesa AZ 852 480|Atlanta GA 303 404|Kansas City MO 641 816|Colorado Springs CO 809 719|Omaha NE 681 402
Raleigh NC 276 919|Miami FL 331 305|Virginia Beach VA 234 757|Long Beach CA 908 562|Oakland CA 946 510
Minneapolis MN 554 612|Bakersfield CA 933 661|Tulsa OK 741 918|Tampa FL 336 813|Arlington TX 760 817
Wichita KS 672 316|Aurora CO 800 303|New Orleans LA 701 504|Cleveland OH 441 216|Honolulu HI 968 808
Anaheim CA 928 714|Orlando FL 328 407|Lexington KY 405 859|Stockton CA 952 209|Riverside CA 925 951
Irvine CA 926 949|Corpus Christi TX 784 361|Newark NJ 071 973|Santa Ana CA 927 714|Cincinnati OH 452 513
Pittsburgh PA 152 412|Saint Paul MN 551 651|Greensboro NC 274 336|Jersey City NJ 073 201|Durham NC 277 919
Lincoln NE 685 402|Plano TX 750 972|Anchorage AK 995 907|Henderson NV 890 702|St. Louis MO 631 314
Chandler AZ 852 480|Chula Vista CA 919 619|Buffalo NY 142 716|Madison WI 537 608|Lubbock TX 794 806
Gilbert AZ 852 480|Toledo OH 436 419|Reno NV 895 775|Winston-Salem NC 271 336|Fort Wayne IN 468 260
Chesapeake VA 233 757|St. Petersburg FL 337 727|Laredo TX 780 956|Irving TX 750 972|Norfolk VA 235 757
Fremont CA 945 510|Garland TX 750 972|Glendale AZ 853 623|Richmond VA 232 804|Hialeah FL 330 305
Boise ID 837 208|Spokane WA 992 509|Tacoma WA 984 253|San Bernardino CA 924 909|Modesto CA 953 209
Fontana CA 923 909|Des Moines IA 503 515|Baton Rouge LA 708 225|Oxnard CA 930 805|Fayetteville NC 283 910
Rochester NY 146 585|Huntsville AL 358 256|Yonkers NY 107 914|Salt Lake City UT 841 801|Grand Rapids MI 495 616
Amarillo TX 791 806|Tallahassee FL 323 850|Worcester MA 016 508|Newport News VA 236 757|Little Rock AR 722 501
Augusta GA 309 706|Providence RI 029 401|Knoxville TN 379 865|Akron OH 443 330|Montgomery AL 361 334
Birmingham AL 352 205|Fort Lauderdale FL 333 954|Sioux Falls SD 571 605|Chattanooga TN 374 423
Shreveport LA 711 318|Mobile AL 366 251|Vancouver WA 986 360|Eugene OR 974 541|Salem OR 973 503
Santa Rosa CA 954 707|Brownsville TX 785 956|Overland Park KS 662 913|Charleston SC 294 843|Savannah GA 314 912
Syracuse NY 132 315|Dayton OH 454 937|Bridgeport CT 066 203|New Haven CT 065 203|Hartford CT 061 860
Columbia SC 292 803|Jackson MS 392 601|Charleston WV 253 304|Fargo ND 581 701|Billings MT 591 406
Manchester NH 031 603|Wilmington DE 198 302|Cheyenne WY 820 307|Portland ME 041 207|Burlington VT 054 802
Santa Fe NM 875 505|Peoria IL 616 309|Rockford IL 611 815|Springfield MO 658 417|Topeka KS 666 785
Duluth MN 558 218|Green Bay WI 543 920|Asheville NC 288 828|Roanoke VA 240 540|Evansville IN 477 812
Flint MI 485 810
"""

_STATES = {
    "America/New_York": "CT DC DE FL GA KY MA MD ME NC NH NJ NY OH PA RI SC VA VT WV",
    "America/Chicago": "AL AR IA IL KS LA MN MO MS ND NE OK SD TN TX WI",
    "America/Denver": "CO MT NM UT WY",
    "America/Los_Angeles": "CA NV OR WA",
    "America/Phoenix": "AZ",
    "America/Indiana/Indianapolis": "IN",
    "America/Detroit": "MI",
    "America/Boise": "ID",
    "America/Anchorage": "AK",
    "Pacific/Honolulu": "HI",
}
_ZONES = {state: zone for zone, states in _STATES.items() for state in states.split()}
_ZONE_OF_CITY = {
    "El Paso": "America/Denver",
    "Knoxville": "America/New_York",
    "Chattanooga": "America/New_York",
}
_ZIP_CODES = 33  # of a city: as many as three cities need to share a prefix


@dataclass(frozen=True)
class Places:
    """Parallel arrays, one entry a (city, state, ZIP) triple; ``zone`` is its time zone.

    ``area`` is the area code of the city's telephones.
    """

    city: Text
    state: Text
    zip_code: Text
    zone: Text
    area: Text
    cumulative: F64

    def draw(self, stream: Stream, n: int) -> I64:
        """``n`` positions, anywhere in the country."""
        return self.at(stream.uniform(n))

    def at(self, share: F64) -> I64:
        """The positions at these shares (0 to 1) of all weight."""
        return position_at(share, self.cumulative)

    def near(self, home: int | I64, share: F64) -> I64:
        """Positions in the city of ``home``, its own ZIP code and the next ones more often than the others."""
        own = np.asarray(home) % _ZIP_CODES
        offset = position_at(share, np.cumsum(zipf_weights(_ZIP_CODES, 1.0, shift=3.0)))
        return np.asarray(home - own + (own + offset) % _ZIP_CODES)

    def telephones(self, at: I64, share: F64) -> Text:
        """Telephone numbers at these positions, ``212-555-0142``: exchange 555 rings nowhere."""
        line = (share * 10_000).astype(np.int64)[:, None] // (1_000, 100, 10, 1) % 10 + ord("0")
        out = np.empty((len(line), 12), dtype=np.uint8)
        out[:, :3] = self.area[at].view(np.uint8).reshape(-1, 3)
        out[:, 3:8] = np.frombuffer(b"-555-", dtype=np.uint8)
        out[:, 8:] = line
        return out.view("S12").ravel()


@lru_cache(maxsize=1)
def places() -> Places:
    """All triples; ``_ZIP_CODES`` in a row share a city."""
    rows = [line.rsplit(" ", 3) for line in _CITIES.replace("\n", "|").split("|") if line]
    city = np.repeat([name.encode() for name, *_ in rows], _ZIP_CODES)
    state = np.repeat([code.encode() for _, code, *_ in rows], _ZIP_CODES)
    taken: Counter[str] = Counter()  # codes of a prefix, by cities before
    codes = []
    for _, _, prefix, _ in rows:
        first = 1 + taken[prefix]
        codes += [f"{prefix}{number:02d}".encode() for number in range(first, first + _ZIP_CODES)]
        taken[prefix] += _ZIP_CODES
    zones = [_ZONE_OF_CITY.get(name, _ZONES[code]) for name, code, *_ in rows]
    size = np.multiply.outer(np.arange(len(rows)) + 10, np.arange(_ZIP_CODES) + 2).ravel()
    weights = np.empty(len(size))
    weights[np.argsort(size, kind="stable")] = zipf_weights(len(size), 1.0, shift=3.0)
    return Places(
        city=city,
        state=state,
        zip_code=np.array(codes),
        zone=np.repeat([zone.encode() for zone in zones], _ZIP_CODES),
        area=np.repeat([area.encode() for *_, area in rows], _ZIP_CODES),
        cumulative=np.cumsum(weights),
    )
