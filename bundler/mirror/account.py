"""The account that a server runs under: never more rights than it needs."""

from __future__ import annotations

import os
import pwd

from bundler.errors import BundlerError


def become(name: str | None) -> None:
    """Give up root's rights for those of an account; without a name, see that there are none.

    Raises:
        BundlerError: if this is root's and no account is named, or it cannot be changed to.
    """
    if name is None:
        if os.geteuid() == 0:
            raise BundlerError(
                "a server that strangers talk to must not run as root",
                hint="start it under an account of its own, or with --user NAME (root insists)",
            )
        return
    try:
        account = pwd.getpwnam(name)
    except KeyError as error:
        raise BundlerError(f"there is no account {name} on this host") from error
    if account.pw_uid == os.geteuid():
        return
    try:
        os.initgroups(name, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    except PermissionError as error:
        raise BundlerError(
            f"only root can become {name}", hint=f"start it as {name}, without --user"
        ) from error
    for path in (os.__file__, __file__):
        if not os.access(path, os.R_OK):
            raise BundlerError(
                f"{name} cannot read {path}, which this program needs",
                hint="install Python and this program where every account can read them",
            )
