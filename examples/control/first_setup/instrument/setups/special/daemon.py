description = "who may log in"
group = "special"

devices = dict(
    Auth=device(
        "nicos.services.daemon.auth.list.Authenticator",
        hashing="plain",
        passwd=[("admin", "admin", "admin")],
    ),
)
