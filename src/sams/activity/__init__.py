"""What happened, told once: events, the journal, and the logs, metrics and alarms made from them."""
