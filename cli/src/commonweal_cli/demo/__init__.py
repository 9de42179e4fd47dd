"""`commonweal demo`: everything once, from a bare machine to a consented read and a learned decision on two real sites."""
