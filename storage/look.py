"""A look at a store: each folder is listed once, and all questions of one check share the answer.

On S3 a look costs few requests whatever it is asked. It lists the whole store if that takes one request. Otherwise it
descends, table by table and data set by data set, and lists a folder that holds more than the caller expects no
further than it would take to list the expected folders inside it one by one. On a local disk it reads only the folders
that are asked for.
"""

import os
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor

from storage.errors import StoreDenied
from storage.manifests import changes
from storage.store import Store
from storage.stored import Stored

_AT_ONCE = 16  # folders listed at the same time; each takes one request or more
_TABLES = 1  # components of a key: a folder above those of data sets can be of any size, one request shows it

Listing = dict[str, Stored]


class Look:
    """The objects of a store at one moment.

    A commit by this process ends the moment, so that the next question lists again. For the work of other processes the
    caller says so with `renew`.

    Args:
        store: to look at.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._expected: set[str] = set()
        self._moment = 0
        self.renew()

    @property
    def moment(self) -> int:
        """A number that grows whenever the listings are forgotten, for callers that keep answers of their own."""
        if self._changes != changes(self._store):
            self.renew()
        return self._moment

    def renew(self) -> None:
        """Forget all listings: other processes have written or deleted objects."""
        self._moment += 1
        self._whole: dict[str, Listing] = {}
        self._large: set[str] = set()
        self._names: dict[str, frozenset[str]] = {}
        self._changes = changes(self._store)

    def expect(self, folders: Iterable[str]) -> None:
        """Announce folders that will be asked for, so that on S3 they are listed together.

        Args:
            folders: prefixes of keys, without a slash at the end.
        """
        self._expected.update(folders)

    def listing(self, folder: str) -> Listing:
        """Return the objects below a folder; those of other folders may be among them.

        Args:
            folder: a prefix of keys, without a slash at the end.

        Returns:
            As `Store.listing`.
        """
        if self.moment and (found := self._known(folder)) is not None:
            return found
        if self._store.scheme == "file":
            self._whole[folder] = self._store.listing(folder) if self._may_exist(folder) else {}
        elif self._store.scheme == "memory":
            above = "/".join(folder.split("/")[:2])
            self._whole[above] = self._store.listing(above)
        else:
            self._list_together({folder, *(other for other in self._expected if self._known(other) is None)})
        return self._known(folder) or {}

    def names(self, folder: str) -> frozenset[str]:
        """Return the names of the files and folders directly in a folder.

        Args:
            folder: as for `listing`.
        """
        if self.moment and folder not in self._names:
            if self._store.scheme == "file":
                self._names[folder] = self._local_names(folder)
            else:
                self._index(self.listing(folder))
                self._names.setdefault(folder, frozenset())
        return self._names[folder]

    def is_known_absent(self, key: str) -> bool:
        """Return whether a listing that this look has made already shows no object under a key."""
        found = self._known(key)
        return found is not None and key not in found

    def _known(self, folder: str) -> Listing | None:
        while True:
            if folder in self._whole:
                return self._whole[folder]
            if not folder:
                return None
            folder = folder.rpartition("/")[0]

    def _may_exist(self, folder: str) -> bool:
        """Return whether every folder above a folder of this machine holds the next one."""
        above, _, name = folder.rpartition("/")
        return not folder or (name in self.names(above) if self._may_exist(above) else False)

    def _local_names(self, folder: str) -> frozenset[str]:
        try:
            return frozenset(os.listdir(self._store.address(folder).removeprefix("file://")))
        except (FileNotFoundError, NotADirectoryError):
            return frozenset()
        except OSError as error:
            raise StoreDenied(f"{self._store.address(folder)}: cannot be used ({error.strerror})") from error

    def _index(self, listing: Listing) -> None:
        """Note the names in each folder of a listing."""
        names: dict[str, set[str]] = {}
        for key in listing:
            above = key
            while above:
                above, _, name = above.rpartition("/")
                known = names.setdefault(above, set())
                if name in known:
                    break
                known.add(name)
        self._names |= {folder: frozenset(found) for folder, found in names.items()}

    def _list_together(self, folders: Collection[str]) -> None:
        """List folders on S3, or folders above them that are small; each level takes as long as one folder."""
        level = {"": set(folders)}
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="listings") as pool:
            while level:
                asked = [folder for folder in level if folder not in self._large or folder in level[folder]]
                list(pool.map(lambda folder: self._list(folder, level[folder]), asked))  # noqa: B023  used at once
                level = {
                    child: within
                    for folder, below in level.items()
                    if folder not in self._whole
                    for child, within in _by_child(folder, below).items()
                }

    def _list(self, folder: str, wanted: Collection[str]) -> None:
        """List a folder, unless it takes more requests than the wanted folders inside it are worth."""
        if folder in wanted:
            self._whole[folder] = self._store.listing(folder)
            return
        is_table = folder.count("/") < _TABLES
        found, is_whole = self._store.listing_within(folder, 1 if is_table else len(wanted))
        if is_whole:
            self._whole[folder] = found
        else:
            self._large.add(folder)


def _by_child(folder: str, below: Collection[str]) -> dict[str, set[str]]:
    """Group folders by the folder directly below another one that leads to them."""
    start, found = f"{folder}/" if folder else "", dict[str, set[str]]()
    for one in below:
        found.setdefault(start + one.removeprefix(start).split("/", 1)[0], set()).add(one)
    return found
