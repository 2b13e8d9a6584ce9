# SPDX-License-Identifier: Apache-2.0
"""Certificates for a test, by the openssl program: a CA of its own and what it signs."""
import base64
import hashlib
import os
import subprocess


def _openssl(*arguments, stdin=None):
    return subprocess.run(["openssl", *arguments], input=stdin, check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout


class Authority:
    """A CA in a folder; `ca` is the path of its certificate."""

    def __init__(self, folder, name="ca"):
        self.folder = str(folder)
        self.name = name
        self.ca = self._path(name + ".pem")
        self.key = self._path(name + ".key")
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-days", "2", "-subj", "/CN=Test CA %s" % name, "-keyout", self.key, "-out", self.ca)

    def _path(self, name):
        return os.path.join(self.folder, name)

    def issue(self, name, alternatives="DNS:{0}", days=2):
        """(certificate, key) of a server or client with these names."""
        certificate, key = self._path(name + ".pem"), self._path(name + ".key")
        request, extensions = self._path(name + ".csr"), self._path(name + ".ext")
        _openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-subj", "/CN=%s" % name, "-keyout", key, "-out", request)
        with open(extensions, "w", encoding="utf-8") as file:
            file.write("subjectAltName=%s\n" % alternatives.format(name))
        _openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.key, "-CAcreateserial",
                 "-days", str(days), "-extfile", extensions, "-out", certificate)
        return certificate, key


def pin(certificate):
    """SHA-256 of the public key, as RFC 7858 section 4.2 has it."""
    public = _openssl("x509", "-in", certificate, "-noout", "-pubkey")
    der = _openssl("pkey", "-pubin", "-outform", "DER", stdin=public)
    return base64.b64encode(hashlib.sha256(der).digest()).decode()
