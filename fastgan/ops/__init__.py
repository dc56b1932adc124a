"""Fast functions on tensors. Each has a plain definition and backends that must agree with it."""
