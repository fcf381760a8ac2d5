"""The members of a base backup that are extracted, with any Python."""

import io
import tarfile

import pytest

from quartet.backup.recovery import members_inside


def archive_of(*members: tarfile.TarInfo) -> tarfile.TarFile:
    """A stream with these members, without content."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for member in members:
            archive.addfile(member)
    return tarfile.open(fileobj=io.BytesIO(content.getvalue()), mode="r|")


def link_to(target: str) -> tarfile.TarInfo:
    """A symbolic link."""
    link = tarfile.TarInfo("base/link")
    link.type, link.linkname = tarfile.SYMTYPE, target
    return link


def test_files_and_folders_of_the_data_directory_are_extracted() -> None:
    names = ["PG_VERSION", "base/1/1259", "base/with..dots"]
    with archive_of(*map(tarfile.TarInfo, names)) as archive:
        assert [member.name for member in members_inside(archive)] == names


@pytest.mark.parametrize(
    "member",
    [
        tarfile.TarInfo("../pg_hba.conf"),
        tarfile.TarInfo("base/../../x"),
        tarfile.TarInfo("/etc/x"),
        link_to("/etc"),
    ],
    ids=["beside", "through a folder", "absolute", "link"],
)
def test_what_leads_outside_is_refused(member: tarfile.TarInfo) -> None:
    with (
        archive_of(member) as archive,
        pytest.raises(tarfile.TarError, match="outside of the data directory"),
    ):
        list(members_inside(archive))
