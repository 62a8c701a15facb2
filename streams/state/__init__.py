"""The state room: tables whose truth is a fenced changelog and whose copy is RocksDB."""
