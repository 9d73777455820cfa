"""The edge for machines: meters over MQTT, the brokers that carry them, and the attesters that vouch for them."""
