"""Payment cryptography by psec, pyemv and pydukpt.

`oracles.py make SEED COUNT` prints random cases with their answers, one JSON object a line in the form of
tests/data/crypto.jsonl. `oracles.py check` reads what the library under test made (key blocks, PIN blocks with
random fill) on stdin and prints the number that it could open, or says what it could not.
"""

import json
import random
import sys

import psec
import pydukpt
from pyemv import ac, cvn, kd

DIGITS = "0123456789"


def main():
    if sys.argv[1] == "make":
        make(random.Random(int(sys.argv[2])), int(sys.argv[3]))
    else:
        check()


def make(draw, count):
    def emit(alg, answer, **inputs):
        answer = answer.hex().upper() if isinstance(answer, bytes) else answer
        inputs = {k: v.hex().upper() if isinstance(v, bytes) else v for k, v in inputs.items()}
        print(json.dumps({"alg": alg, "inputs": inputs, "output": answer, "source": "live"}))

    def digits(low, high):
        return "".join(draw.choice(DIGITS) for _ in range(draw.randint(low, high)))

    def tdes(length=16):
        return psec.des.adjust_key_parity(draw.randbytes(length))

    for _ in range(count):
        pan, pin, data = digits(13, 19), digits(4, 12), draw.randbytes(draw.randint(1, 260))
        pins(emit, draw, digits, tdes, pan, pin)
        macs(emit, draw, tdes, data)
        dukpt(emit, draw, tdes, data, pan, pin)
        emv(emit, draw, tdes, digits(13, 19), f"{draw.randrange(100):02}")
        blocks(emit, draw, tdes)


def pins(emit, draw, digits, tdes, pan, pin):
    emit("pinblock_iso0", psec.pinblock.encode_pinblock_iso_0(pin, pan), pin=pin, pan=pan)
    emit("pinblock_iso2", psec.pinblock.encode_pinblock_iso_2(pin), pin=pin)
    emit("pinblock_iso4_panfield", psec.pinblock.encode_pan_field_iso_4(pan), pan=pan)
    source, target = tdes(), tdes()
    clear = psec.pinblock.encode_pinblock_iso_0(pin, pan)
    emit(
        "pin_translate_tdes",
        psec.des.encrypt_tdes_ecb(target, clear),
        zpk_src=source,
        zpk_dst=target,
        fmt_src=0,
        fmt_dst=0,
        pan=pan,
        pinblock=psec.des.encrypt_tdes_ecb(source, clear),
        dst_fill="",
    )
    pvk, index = tdes(), str(draw.randrange(10))
    emit("visa_pvv", psec.pin.generate_visa_pvv(pvk, index, pin[:4], pan), pvk=pvk, pvki=index, pin=pin[:4], pan=pan)
    table = "".join(draw.choice(DIGITS) for _ in range(16))
    length = draw.randint(4, 12)
    offset, pad = draw.randint(0, len(pan) - length), draw.choice("0123456789ABCDEF")
    common = {"pvk": pvk, "decimalization": table, "pan": pan, "pan_offset": offset, "pan_length": length, "pad": pad}
    value = psec.pin.generate_ibm3624_offset(pvk, table, pin, pan, offset, length, pad)
    emit("ibm3624_offset", value, pin=pin, **common)
    emit("ibm3624_pin", pin, offset=value, **common)
    cvk, expiry, service = tdes(), digits(4, 4), digits(3, 3)
    value = psec.cvv.generate_cvv(cvk, pan, expiry, service)
    emit("cvv", value, cvk=cvk, pan=pan, expiry_yymm_as_fed=expiry, service_code=service)


def macs(emit, draw, tdes, data):
    for padding in (1, 2, 3):
        for name, key in (("des", tdes(8)), ("tdes2", tdes(16)), ("tdes3", tdes(24))):
            value = psec.mac.generate_cbc_mac(key, data, padding)
            emit(f"mac_iso9797_alg1_pad{padding}_{name}", value, key=key, data=data)
        key = draw.randbytes(draw.choice((16, 24, 32)))
        value = psec.mac.generate_cbc_mac(key, data, padding, algorithm=psec.mac.Algorithm.AES)
        emit(f"mac_iso9797_alg1_pad{padding}_aes", value, key=key, data=data)
        key = tdes(16)
        value = psec.mac.generate_retail_mac(key[:8], key[8:], data, padding)
        emit(f"mac_iso9797_alg3_pad{padding}", value, key=key, data=data)
    key = tdes(8)
    emit("kcv_des_zero3", psec.des.generate_kcv(key, 3), key=key)


def dukpt(emit, draw, tdes, data, pan, pin):
    bdk = tdes(16)
    ksn = draw.randbytes(10)
    # As many bits as a terminal may use.
    counter = sum(1 << bit for bit in draw.sample(range(21), draw.randint(1, 10)))
    ksn = pydukpt.ksn_with_counter(ksn, counter)
    ipek = pydukpt.derive_ipek(bdk, ksn)
    key = pydukpt.derive_key(ipek, ksn)
    emit("dukpt_tdes_ipek", ipek, bdk=bdk, ksn=ksn)
    emit("dukpt_tdes_txn_key", key, ipek=ipek, ksn=ksn)
    emit("dukpt_tdes_pin_key", pydukpt.pin_key(key), bdk=bdk, ksn=ksn)
    emit("dukpt_tdes_pin", pydukpt.encrypt_pin(key, pin, pan), bdk=bdk, ksn=ksn, pin=pin, pan=pan)
    mac_key = pydukpt.mac_request_key(key)
    value = psec.mac.generate_retail_mac(mac_key[:8], mac_key[8:], data, 1)[:4]
    emit("dukpt_tdes_mac_request", value, txn_key=key, data=data)
    if counter < pydukpt.MAX_COUNTER:
        emit("dukpt_tdes_next_ksn", pydukpt.next_ksn(ksn), ksn=ksn)


def emv(emit, draw, tdes, pan, psn):
    imk, other, third = tdes(), tdes(), tdes()
    emit("emv_icc_mk_option_a", kd.derive_icc_mk_a(imk, pan, psn), imk=imk, pan=pan, psn=psn)
    emit("emv_icc_mk_option_b", kd.derive_icc_mk_b(imk, pan, psn), imk=imk, pan=pan, psn=psn)
    icc, atc = kd.derive_icc_mk_a(imk, pan, psn), draw.randbytes(2)
    diversifier = draw.randbytes(8)
    emit("emv_session_key_common", kd.derive_common_sk(icc, diversifier), icc_mk=icc, r=diversifier)
    emit("emv_session_key_visa_sm", kd.derive_visa_sm_sk(icc, atc), icc_mk=icc, atc=atc)
    lengths = (("9f02", 6), ("9f03", 6), ("9f1a", 2), ("95", 5), ("5f2a", 2), ("9a", 3), ("9c", 1), ("9f37", 4),
               ("82", 2), ("9f36", 2))
    tags = {f"tag_{tag}": draw.randbytes(length) for tag, length in lengths}
    common = {"imk_ac": imk, "pan": pan, "psn": psn}
    for alg, scheme, last, length in (
        ("emv_visa_cvn10_arqc", cvn.VisaCVN10, "cvr", 4),
        ("emv_visa_cvn18_arqc", cvn.VisaCVN18, "tag_9f10", 7),
        ("emv_visa_cvn22_arqc", cvn.VisaCVN22, "tag_9f10", 32),
        ("emv_mastercard_cvn16_arqc", cvn.MasterCardCVN16, "cvr", 6),
    ):
        issuer = scheme(imk, other, third, pan, psn)
        rest = draw.randbytes(length)
        value = issuer.generate_ac(*tags.values(), rest)
        emit(alg, value, **common, **tags, **{last: rest})
        if alg == "emv_visa_cvn10_arqc":
            emit("emv_visa_cvn10_arpc", issuer.generate_arpc(value, b"00"), **common, arqc=value, arc=b"00")
        if alg == "emv_mastercard_cvn16_arqc":
            emit("emv_mastercard_cvn16_arpc", issuer.generate_arpc(value, b"00"), **common, arqc=value, arc=b"00")
    session, arqc, csu, extra = tdes(), draw.randbytes(8), draw.randbytes(4), draw.randbytes(draw.randint(0, 8))
    value = ac.generate_arpc_2(session, arqc, csu, extra)
    emit("emv_arpc_method2", value, sk_ac=session, arqc=arqc, csu=csu, prop_auth_data=extra)


def blocks(emit, draw, tdes):
    for version, kbpk in (("A", tdes(16)), ("B", tdes(draw.choice((16, 24)))), ("C", tdes(24)),
                          ("D", draw.randbytes(draw.choice((16, 24, 32))))):
        key = tdes(draw.choice((16, 24)))
        header = psec.tr31.Header(version, draw.choice(("P0", "K0", "D0", "B0")), "T", "N", "00", draw.choice("NES"))
        block = psec.tr31.wrap(kbpk, header, key)
        emit(f"tr31_unwrap_{version}", {"key": key.hex().upper()}, kbpk=kbpk, key_block=block)


def check():
    opened = 0
    for line in sys.stdin:
        case = json.loads(line)
        kind, key, expected = case["kind"], bytes.fromhex(case["key"]), case["expected"]
        if kind == "tr31":
            header, got = psec.tr31.unwrap(key, case["text"])
            got = got.hex().upper() + header.key_usage
        elif kind == "iso3":
            got = psec.pinblock.decode_pinblock_iso_3(bytes.fromhex(case["text"]), case["pan"])
        elif kind == "iso4":
            got = psec.pinblock.decipher_pinblock_iso_4(key, bytes.fromhex(case["text"]), case["pan"])
        else:
            sys.exit(f"unknown kind {kind}")
        if got != expected:
            sys.exit(f"{line.strip()}: opened as {got}")
        opened += 1
    print(opened)


main()
