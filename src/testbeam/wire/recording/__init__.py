"""The file format of a recording: raw Kafka messages, kept so that a killed recorder or a flipped byte costs one block at most.

::

    file    = signature block*
    signature = 89 "TBR" 0D 0A, version u16
    block   = header body
    header  = F5 "TBb" kind u8, flags u8, 0 u16, messages u32, stored size u32, plain size u32, place in the file u64,
              CRC-32 of the stored body u32, CRC-32 of the header so far u32; little-endian as all numbers are
    body    = as its kind says; deflated (zlib) where bit 0 of flags is set

    kind 1, about     JSON: where, when and from which topics (name → number of partitions); the first block
    kind 2, messages  size u32 of JSON [[topic, partition], …]; then columns: place in that list u16, timestamp type u8, offset i64,
                      timestamp in ms i64, size of key i32, of value i32 (-1: none), of headers u32; then all keys, all values,
                      all headers (each: size u32, name, size i32 or -1, value), end to end
    kind 3, end       JSON: how many messages, and why it ended; its absence says that the recorder was killed

A block is whole by itself: no other is needed to read it, and it is found by its first four bytes, its own place and its CRC.
"""
