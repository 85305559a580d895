import json
import traceback

import pytest
from solders.keypair import Keypair

from chain.errors import FeePayerKeyInvalid
from chain.fee_payer import KeyFileFeePayer

KEY = Keypair.from_seed(b"k" * 32)
AS_JSON = json.dumps(list(bytes(KEY)))


@pytest.mark.parametrize("text", [AS_JSON, AS_JSON + "\n", str(KEY), f"  {KEY}\n"])
async def test_both_forms_of_a_key_are_read(text):
    fee_payer = KeyFileFeePayer.parse(text)
    assert fee_payer.address == KEY.pubkey()
    assert await fee_payer.sign(b"message") == KEY.sign_message(b"message")


async def test_a_key_file_is_read(tmp_path):
    (tmp_path / "key.json").write_text(AS_JSON)
    assert KeyFileFeePayer.load(tmp_path / "key.json").address == KEY.pubkey()


@pytest.mark.rule("B26")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[1, 2",
        '["a"]',
        "[null]",
        "{}",
        AS_JSON[:-5] + "]",
        AS_JSON.replace("[107", "[999", 1),
        json.dumps([*bytes(KEY)[:63], bytes(KEY)[63] ^ 1]),
        str(KEY)[:-4],
        "0" + str(KEY)[1:],
    ],
)
def test_a_key_that_is_not_whole_is_refused_without_showing_it(text):
    with pytest.raises(FeePayerKeyInvalid) as refused:
        KeyFileFeePayer.parse(text)
    shown = "".join(traceback.format_exception(refused.value))
    assert not text or text not in shown


@pytest.mark.rule("B26")
def test_the_text_form_of_a_fee_payer_shows_its_address_only():
    fee_payer = KeyFileFeePayer(KEY)
    assert repr(fee_payer) == str(fee_payer) == f"KeyFileFeePayer({KEY.pubkey()})"
    assert str(KEY) not in f"{fee_payer!r}{fee_payer}"
