"""Descriptors: lets the process open as many sockets as it may have connections, where the system allows it.

Many systems begin a process with 1,024. A server that has used them up can accept nobody, not even to refuse.
"""

import logging
import resource

LOG = logging.getLogger("octavo.server")
# For what is no connection: the engine's link, files, pipes, and room to accept one and refuse it.
SPARE = 256


def allow_descriptors(connections: int) -> int:
    """Raises the process's own bound as far as it is needed and may be; returns it. Warns where that is too little."""
    wanted = connections + SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    if soft != resource.RLIM_INFINITY and soft < wanted:
        LOG.warning(
            "the system lets this process open %d files, too few for max_connections %d: raise it with ulimit -n %d",
            soft,
            connections,
            wanted,
        )
    return soft
