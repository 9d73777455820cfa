"""The brokers machines speak over: amqtt in this process for demos, mosquitto with TLS where it counts."""
