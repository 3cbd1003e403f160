"""The generic questions by which a service's readiness is asked: one class a file, composed by `all_of`."""
