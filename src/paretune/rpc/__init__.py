"""Calls between processes: the table of errors, servers, channels."""
