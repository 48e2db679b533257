"""An issuer's host made of pyiso8583 and nothing of ours: packed digits, binary bitmap, two bytes of length.

Approves everything but sales: an amount that ends in 7 hears 51, one that ends in 3 hears nothing. One JSON line for
each request that it could read, with what it answered. Usage: pyiso8583_host.py PORT
"""
import copy
import json
import socketserver
import struct
import sys

import iso8583
from iso8583.specs import default

PACKED = [3, 4, 7, 11, 12, 13, 14, 15, 18, 22, 23, 25, 26, 53, 70, 90]
PACKED_WITH_LENGTH = {2: 19, 32: 11, 33: 11}
ECHOED = ["2", "3", "4", "7", "11", "12", "13", "32", "37", "41", "42", "49", "70"]


def packed_spec():
    spec = copy.deepcopy(default)
    spec["t"]["data_enc"] = "b"
    spec["t"]["max_len"] = 2
    for number in PACKED:
        # Fixed digits are counted in bytes, so an odd number of them has a zero before it.
        element = spec[str(number)]
        element["data_enc"] = "b"
        element["max_len"] = (element["max_len"] + 1) // 2
    for number, digits in {**PACKED_WITH_LENGTH, 35: 37}.items():
        element = spec[str(number)]
        element.update(data_enc="b", len_enc="bcd", len_type=1, len_count="nibbles", max_len=digits)
        if number != 35:
            element["left_pad"] = "0"
        else:
            element["right_pad"] = "0"
    for number in (54, 55):
        spec[str(number)].update(len_enc="bcd", len_type=2)
    spec["55"]["max_len"] = 999
    return spec


class Host(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            prefix = self.rfile.read(2)
            if len(prefix) < 2:
                return
            body = self.rfile.read(struct.unpack(">H", prefix)[0])
            request, _ = iso8583.decode(body, self.server.spec)
            answer = {de: request[de] for de in ECHOED if de in request}
            mti = request["t"]
            answer["t"] = mti[:2] + str(int(mti[2]) + 1) + mti[3]
            is_sale = mti == "0200" and request["3"] == "000000"
            answer["39"] = {"7": "51", "3": "silent"}.get(request["4"][-1], "00") if is_sale else "00"
            if mti == "0200" or mti == "0100":
                answer["38"] = request["11"]
            line = {"mti": mti, "code": answer["39"]}
            line.update({de: request[de] for de in ("3", "4", "11", "37") if de in request})
            print(json.dumps(line), flush=True)
            if answer["39"] != "silent":
                encoded, _ = iso8583.encode(answer, self.server.spec)
                self.wfile.write(struct.pack(">H", len(encoded)) + bytes(encoded))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Host) as server:
        server.spec = packed_spec()
        print("listening", file=sys.stderr, flush=True)
        server.serve_forever()
