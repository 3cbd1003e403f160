"""Device support `stream` on real records: DTYP "stream", over TCP, UDP and serial lines, without a compiler."""
