"""The whole cluster in virtual time: the real program over a simulated Kafka, disk and clock, with seeded faults."""
