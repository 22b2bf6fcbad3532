"""The demonstration: one bundled campaign, from a CSV file to the disposition of every call."""
