"""The settings of certificates are judged together, and every mistake is told at once."""

from collections.abc import Mapping
from typing import Any

import pytest

from edge.certificate_settings import LETS_ENCRYPT, LETS_ENCRYPT_STAGING, CertificateSettings
from edge.certificate_settings import mistakes_together as together
from edge.model.errors import OperatorError
from edge.settings import Settings, load

GOOD = {
    "acme_directory": "https://ca.example/dir",
    "acme_agree_tos": "yes",
    "public_host": "edge.example.org",
}


def loaded(values: Mapping[str, Any]) -> Settings:
    """All settings, with these given."""
    return load(None, **values)


def judged(**values: str) -> CertificateSettings:
    """These settings, the others by default."""
    return CertificateSettings.model_validate(values)


def test_certificates_are_off_by_default() -> None:
    """And nothing is asked for then."""
    assert together({}) == []
    assert load().acme_directory == ""


@pytest.mark.parametrize("agreed", ["yes", "true", "1", True, "on", "YES"])
def test_a_directory_with_agreed_terms_is_enough(agreed: object) -> None:
    """An address of ours is not needed."""
    settings = loaded(GOOD | {"acme_agree_tos": agreed})
    assert settings.acme_agree_tos is True
    assert settings.staging_directory == ""


@pytest.mark.parametrize(
    "changes, setting",
    [
        ({"acme_agree_tos": "no"}, "EDGE_ACME_AGREE_TOS"),
        ({"acme_agree_tos": ""}, "EDGE_ACME_AGREE_TOS"),
        ({"public_host": ""}, "EDGE_PUBLIC_HOST"),
        ({"acme_directory": "http://ca.example/dir"}, "EDGE_ACME_DIRECTORY: must be an https"),
        ({"acme_directory": "ca.example"}, "EDGE_ACME_DIRECTORY: must be an https"),
        ({"acme_directory": ""} | {"acme_staging_directory": "https://a/b"}, "needs EDGE_ACME_DIR"),
        ({"acme_staging_directory": "https://ca.example/dir"}, "itself"),
        ({"acme_eab_kid": "x"}, "must be given together"),
        ({"acme_eab_hmac_key": "eHg"}, "must be given together"),
        ({"acme_eab_kid": "x", "acme_eab_hmac_key": "a"}, "base64url"),
        ({"acme_email": "nobody"}, "EDGE_ACME_EMAIL"),
        ({"acme_email": "a@b.example,c@d.example"}, "EDGE_ACME_EMAIL"),
        ({"acme_ca_file": "/nowhere/ca.pem"}, "EDGE_ACME_CA_FILE"),
        ({"acme_http_port": "0"}, "EDGE_ACME_HTTP_PORT"),
        ({"alarm_command": "mail 'ops"}, "EDGE_ALARM_COMMAND"),
    ],
)
def test_a_mistake_names_its_setting(changes: dict[str, str], setting: str) -> None:
    """The start stops, instead of every order failing later."""
    with pytest.raises(OperatorError, match=setting):
        loaded(GOOD | changes)


def test_all_mistakes_are_told_at_once() -> None:
    """The operator mends them in one go."""
    with pytest.raises(OperatorError) as caught:
        load(acme_directory="http://x", acme_eab_kid="x", acme_email="x")
    named = ("AGREE_TOS", "PUBLIC_HOST", "EAB_KID", "DIRECTORY: must be", "EMAIL: must be")
    assert all(name in str(caught.value) for name in named)


def test_lets_encrypt_brings_its_staging() -> None:
    """Any other authority has one only if it is named."""
    assert judged(acme_directory=LETS_ENCRYPT).staging_directory == (LETS_ENCRYPT_STAGING)
    both = judged(acme_directory=LETS_ENCRYPT, acme_staging_directory="https://s/d")
    assert both.staging_directory == "https://s/d"


def test_the_alarm_is_a_program_with_arguments() -> None:
    """Split as a shell would, and never given to one."""
    settings = judged(alarm_command="/bin/alarm 'two words' ; $HOME")
    assert settings.alarm_arguments == ["/bin/alarm", "two words", ";", "$HOME"]
