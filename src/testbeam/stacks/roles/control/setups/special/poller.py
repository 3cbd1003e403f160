description = "the poller"
group = "special"

sysconfig = dict(cache=configdata("config.CACHE_HOST"))

devices = dict(
    Poller=device("nicos.services.poller.Poller", alwayspoll=[], neverpoll=[], blacklist=[]),
)
