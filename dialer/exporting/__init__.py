"""Rows to the bytes of a file: CSV, JSON Lines and Parquet. No database, no files; memory holds one piece at a time.

``tables`` says what the columns of prospects, calls and results are, ``files`` which writer makes a format of them.
Columns of people have the names that a file to upload gives them; whatever we add begins with ``dialer_``, which
uploads ignore, so that an exported file can be uploaded as it is.
"""
