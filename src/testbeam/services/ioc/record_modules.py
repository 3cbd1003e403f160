"""Record types that base does not have, with the module of the EPICS community whose C code supports each.

Source: docs/reference/contracts/ioc.md, "Start-up files"; the definitions that each module installs.
"""

_MODULES = {
    "asyn": ("asyn",),
    "busy": ("busy",),
    "calc": ("scalcout", "acalcout", "swait", "sseq", "transform"),
    "ip": ("digitel", "vs"),
    "lua": ("luascript",),
    "mca": ("mca",),
    "motor": ("motor",),
    "optics": ("table",),
    "sscan": ("sscan", "scanparm", "scan"),
    "std": ("epid", "throttle", "timestamp"),
    "scaler": ("scaler",),
    "genSub": ("genSub",),
}
_OF = {kind: module for module, kinds in _MODULES.items() for kind in kinds}


def needed(kind: str) -> str:
    """Return what a record of this type needs, in words."""
    module = _OF.get(kind)
    return f"{f'module {module}' if module else 'a module of a site'}, which is C code: start the IOC that was compiled with it"
