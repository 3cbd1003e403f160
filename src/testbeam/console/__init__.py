"""Tables, timelines, JSON answers, times and signals: shared by programs that speak to a person."""
