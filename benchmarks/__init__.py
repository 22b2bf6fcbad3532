"""Measurements that the documents quote. None of them is a test: machines are shared, and seconds are not asserted."""
