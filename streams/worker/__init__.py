"""The EXECUTE stage: runs what arrives on its lane, the most critical first, and says how it went."""
