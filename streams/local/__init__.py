"""One machine: Java, Kafka's jars, a broker, and every role under one supervisor."""
