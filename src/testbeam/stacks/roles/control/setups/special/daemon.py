description = "the daemon, with users guest (no password), user (user) and admin (admin): for loopback only"
group = "special"

devices = dict(
    Auth=device(
        "nicos.services.daemon.auth.list.Authenticator",
        hashing="md5",
        passwd=[
            ("guest", "", "guest"),
            ("user", "ee11cbb19052e40b07aac0ca060c23ee", "user"),
            ("admin", "21232f297a57a5a743894a0e4a801fc3", "admin"),
        ],
    ),
    Daemon=device("nicos.services.daemon.NicosDaemon", server=configdata("config.DAEMON_HOST"), authenticators=["Auth"]),
)
