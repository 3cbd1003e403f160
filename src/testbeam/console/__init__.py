"""What programs that speak to a person share: tables, timelines, JSON answers, times, signals."""
