"""Links into the DMP of the web: which pages are a patient's, and what an address is made of."""

from __future__ import annotations

import pytest

from agent.services.catalog import Portal, load_catalog
from agent.services.dmp_links import PATIENTS, Page, Patient, write_link
from agent.services.errors import CatalogError, LinkError

PORTAL = Portal(title="DMP", url="https://dmp.example")
INS = "269054958815780"


@pytest.mark.parametrize("page", Page)
def test_every_page(page: Page) -> None:
    wanted = PATIENTS[page]
    alone = f"https://dmp.example/AccesDirect/{page}"
    if wanted is Patient.NEEDED:
        with pytest.raises(LinkError):
            write_link(PORTAL, page)
    else:
        assert write_link(PORTAL, page) == alone
    if wanted is Patient.NONE:
        with pytest.raises(LinkError):
            write_link(PORTAL, page, INS)
    else:
        assert write_link(PORTAL, page, INS) == f"{alone}/{INS}"


def test_the_board_may_be_a_patients_and_the_settings_are_nobodys() -> None:
    assert {page for page in Page if PATIENTS[page] is not Patient.NEEDED} == {Page.DASHBOARD, Page.SETTINGS}


def test_no_address_is_invented(tmp_path) -> None:
    assert not load_catalog().portals
    path = tmp_path / "services.toml"
    path.write_text('[portals.dmp]\ntitle = "DMP"\nurl = "https://dmp.example:8443/web/"\n')
    portal = load_catalog(path).portals["dmp"]
    assert write_link(portal, Page.DOCUMENTS, INS) == f"https://dmp.example:8443/web/AccesDirect/Documents/{INS}"
    path.write_text('[portals.dmp]\ntitle = "DMP"\nurl = "http://dmp.example"\n')
    with pytest.raises(CatalogError):
        load_catalog(path)
