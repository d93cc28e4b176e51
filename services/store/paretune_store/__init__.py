"""The Store: the system of record, in one SQLite file that it alone opens."""
