"""How much room the metadata of a head may take: it is reserved before anything is signed."""

from __future__ import annotations

from tuf.api.metadata import Root

from bundler.trust.keyless import MAX_BUNDLE, KeylessKey
from bundler.trust.metadata import PACKING, ROLES, entry

# In hexadecimal digits, an ML-DSA-87 signature has 9,254 bytes and its public key in PEM 3,600; for
# P-384, 208 and 215.
_KEY, _SMALL_KEY = 16 << 10, 1280
_SMALL_KEYS = frozenset({"ed25519", "ecdsa"})
_METADATA = 2 << 10
_VOLUME = 256


def metadata_bounds(root: Root, volumes: int) -> dict[str, int]:
    """Bounds of the sizes, in bytes, of what is signed under a root, and of the root after it.

    By the name of each entry; `volumes` says how many volumes are packed together, at most.
    """
    keys = root.keys.values()
    bound = _METADATA + sum(_SMALL_KEY if key.keytype in _SMALL_KEYS else _KEY for key in keys)
    bounds = {entry(f"{role}.json"): bound for role in ROLES}
    keyless = sum(isinstance(key, KeylessKey) for key in keys)
    bounds[entry("targets.json")] += 2 * MAX_BUNDLE * keyless  # in hexadecimal digits, too
    bounds[entry(f"{PACKING}.json")] += _VOLUME * volumes
    bounds[entry(f"{root.version + 1}.root.json")] = bound
    return bounds
