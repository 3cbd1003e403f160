description = "the cache"
group = "special"

devices = dict(
    DB=device("nicos.services.cache.database.MemoryCacheDatabase"),
    Server=device("nicos.services.cache.server.CacheServer", db="DB", server=configdata("config.CACHE_HOST")),
)
