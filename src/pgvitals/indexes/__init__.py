"""What indexes are worth: their use over a measured workload."""
