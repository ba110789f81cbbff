"""Places that belong together: city, state, ZIP code and time zone of American cities.

Cities stand in order of size, and the k-th largest triple weighs 1 / (k + 3) (Zipf–Mandelbrot), so that
city, state and ZIP code are correlated the way a planner meets them in practice. ZIP codes start with
the city's real prefix.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pgvitals.dataset.sizes import zipf_weights
from pgvitals.dataset.streams import F64, I64, Stream, Text, position_at

_CITIES = """
New York NY 100|Los Angeles CA 900|Chicago IL 606|Houston TX 770|Phoenix AZ 850|Philadelphia PA 191
San Antonio TX 782|San Diego CA 921|Dallas TX 752|Jacksonville FL 322|Austin TX 787|Fort Worth TX 761
San Jose CA 951|Columbus OH 432|Charlotte NC 282|Indianapolis IN 462|San Francisco CA 941|Seattle WA 981
Denver CO 802|Oklahoma City OK 731|Nashville TN 372|Washington DC 200|El Paso TX 799|Las Vegas NV 891
Boston MA 021|Detroit MI 482|Louisville KY 402|Portland OR 972|Memphis TN 381|Baltimore MD 212
Milwaukee WI 532|Albuquerque NM 871|Tucson AZ 857|Fresno CA 937|Sacramento CA 958|Mesa AZ 852
Atlanta GA 303|Kansas City MO 641|Colorado Springs CO 809|Omaha NE 681|Raleigh NC 276|Miami FL 331
Virginia Beach VA 234|Long Beach CA 908|Oakland CA 946|Minneapolis MN 554|Bakersfield CA 933|Tulsa OK 741
Tampa FL 336|Arlington TX 760|Wichita KS 672|Aurora CO 800|New Orleans LA 701|Cleveland OH 441
Honolulu HI 968|Anaheim CA 928|Orlando FL 328|Lexington KY 405|Stockton CA 952|Riverside CA 925
Irvine CA 926|Corpus Christi TX 784|Newark NJ 071|Santa Ana CA 927|Cincinnati OH 452|Pittsburgh PA 152
Saint Paul MN 551|Greensboro NC 274|Jersey City NJ 073|Durham NC 277|Lincoln NE 685|Plano TX 750
Anchorage AK 995|Henderson NV 890|St. Louis MO 631|Chandler AZ 852|Chula Vista CA 919|Buffalo NY 142
Madison WI 537|Lubbock TX 794|Gilbert AZ 852|Toledo OH 436|Reno NV 895|Winston-Salem NC 271
Fort Wayne IN 468|Chesapeake VA 233|St. Petersburg FL 337|Laredo TX 780|Irving TX 750|Norfolk VA 235
Fremont CA 945|Garland TX 750|Glendale AZ 853|Richmond VA 232|Hialeah FL 330|Boise ID 837
Spokane WA 992|Tacoma WA 984|San Bernardino CA 924|Modesto CA 953|Fontana CA 923|Des Moines IA 503
Baton Rouge LA 708|Oxnard CA 930|Fayetteville NC 283|Rochester NY 146|Huntsville AL 358|Yonkers NY 107
Salt Lake City UT 841|Grand Rapids MI 495|Amarillo TX 791|Tallahassee FL 323|Worcester MA 016
Newport News VA 236|Little Rock AR 722|Augusta GA 309|Providence RI 029|Knoxville TN 379|Akron OH 443
Montgomery AL 361|Birmingham AL 352|Fort Lauderdale FL 333|Sioux Falls SD 571|Chattanooga TN 374
Shreveport LA 711|Mobile AL 366|Vancouver WA 986|Eugene OR 974|Salem OR 973|Santa Rosa CA 954
Brownsville TX 785|Overland Park KS 662|Charleston SC 294|Savannah GA 314|Syracuse NY 132|Dayton OH 454
Bridgeport CT 066|New Haven CT 065|Hartford CT 061|Columbia SC 292|Jackson MS 392|Charleston WV 253
Fargo ND 581|Billings MT 591|Manchester NH 031|Wilmington DE 198|Cheyenne WY 820|Portland ME 041
Burlington VT 054|Santa Fe NM 875|Peoria IL 616|Rockford IL 611|Springfield MO 658|Topeka KS 666
Duluth MN 558|Green Bay WI 543|Asheville NC 288|Roanoke VA 240|Evansville IN 477|Flint MI 485
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
_ZIP_CODES = 40


@dataclass(frozen=True)
class Places:
    """Parallel arrays, one entry a (city, state, ZIP) triple; ``zone`` is its time zone."""

    city: Text
    state: Text
    zip_code: Text
    zone: Text
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


@lru_cache(maxsize=1)
def places() -> Places:
    """All triples; ``_ZIP_CODES`` in a row share a city."""
    rows = [line.rsplit(" ", 2) for line in _CITIES.replace("\n", "|").split("|") if line]
    city = np.repeat([name.encode() for name, _, _ in rows], _ZIP_CODES)
    state = np.repeat([code.encode() for _, code, _ in rows], _ZIP_CODES)
    codes = [f"{prefix}{number:02d}".encode() for _, _, prefix in rows for number in range(1, _ZIP_CODES + 1)]
    zones = [_ZONE_OF_CITY.get(name, _ZONES[code]) for name, code, _ in rows]
    size = np.multiply.outer(np.arange(len(rows)) + 10, np.arange(_ZIP_CODES) + 2).ravel()
    weights = np.empty(len(size))
    weights[np.argsort(size, kind="stable")] = zipf_weights(len(size), 1.0, shift=3.0)
    return Places(
        city=city,
        state=state,
        zip_code=np.array(codes),
        zone=np.repeat([zone.encode() for zone in zones], _ZIP_CODES),
        cumulative=np.cumsum(weights),
    )
