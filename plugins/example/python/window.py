"""The hook of ../main.go once more, in Python, made from hooks/proto/hooks.proto alone.

It is built into one executable file, see docs/hooks.md. It needs Debian's python3-grpcio,
python3-protobuf and python3-cryptography where it runs.
"""

import base64
import datetime
import os
import socket
import sys
import zoneinfo
from concurrent import futures

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import hooks_pb2 as pb  # protoc makes it of hooks.proto


# What the hook does.

DESCRIPTION = pb.Description(
    summary="Lets updates happen in a window of time, and sees that a port answers afterwards.",
    stages=[pb.STAGE_PRE_UPDATE, pb.STAGE_POST_UPDATE],
    keys=[
        pb.Key(name="between", help="the window, 02:00-05:00 or 22:00-04:00; needed", label=True),
        pb.Key(name="zone", help="its time zone, Europe/Berlin; default UTC", label=True),
        pb.Key(name="port", help="a TCP port that must answer after the update; default none", label=True),
        # Where Refit connects to is not for whoever writes labels to say.
        pb.Key(name="host", help="where that port is; default 127.0.0.1"),
    ],
)


def run(call):
    """One stage: any number of messages, the last of which is the reply."""
    settings = {**call.labels, **call.operator}  # the operator's win
    if call.stage == pb.STAGE_PRE_UPDATE:
        yield from pre_update(settings)
    else:
        post_update(settings)
        yield pb.Message(reply=pb.Reply())


def pre_update(settings):
    between = settings.get("between", "")
    now = datetime.datetime.now(zoneinfo.ZoneInfo(settings.get("zone", "UTC")))
    opens = opening(between, now)
    reply = pb.Reply()
    if opens > now:
        reply.verdict, reply.reason = pb.Reply.VERDICT_DEFER, f"the window {between} is closed"
        reply.retry_at.FromDatetime(opens.astimezone(datetime.timezone.utc))
    else:
        yield pb.Message(log=pb.Log(level=pb.Log.LEVEL_INFO, text="the window is open", attributes={"between": between}))
    yield pb.Message(reply=reply)


def post_update(settings):
    if "port" in settings:
        try:
            socket.create_connection((settings.get("host", "127.0.0.1"), int(settings["port"])), timeout=10).close()
        except OSError as error:
            raise ValueError(f"the new container does not answer: {error}") from error


def opening(between, now):
    """When the window opens next: now, if it is open."""
    try:
        first, last = (datetime.time.fromisoformat(text) for text in between.split("-"))
        if first == last:
            raise ValueError
    except ValueError:
        raise ValueError(f'between is "{between}", and not like 02:00-05:00') from None
    for days in (-1, 0, 1):  # yesterday's may still be open
        day = now.date() + datetime.timedelta(days)
        opens = datetime.datetime.combine(day, first, now.tzinfo)
        closes = datetime.datetime.combine(day + datetime.timedelta(last < first), last, now.tzinfo)
        if now < closes:
            return max(now, opens)


# What any hook in Python needs to be one.


def serve():
    """Takes part in go-plugin's handshake and serves, until Refit ends the process."""
    if os.environ.get("REFIT_HOOK") != "refit.hooks.v1":
        sys.exit("This is a hook for Refit: it does nothing by itself. Put it into the folder of --plugin-dir.")
    key, certificate = certify()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32))
    server.add_generic_rpc_handlers((
        grpc.method_handlers_generic_handler("refit.hooks.v1.Hook", {
            "Describe": grpc.unary_unary_rpc_method_handler(
                lambda request, context: DESCRIPTION,
                pb.DescribeRequest.FromString, pb.Description.SerializeToString),
            "Run": grpc.unary_stream_rpc_method_handler(
                answer, pb.Call.FromString, pb.Message.SerializeToString),
        }),
        # Health, as go-plugin asks for it. The answer is HealthCheckResponse{status: SERVING}.
        grpc.method_handlers_generic_handler("grpc.health.v1.Health", {
            "Check": grpc.unary_unary_rpc_method_handler(lambda request, context: b"\x08\x01"),
        }),
    ))
    # Only the Refit whose certificate this is may connect.
    credentials = grpc.ssl_server_credentials(
        [(key, certificate.public_bytes(serialization.Encoding.PEM))],
        root_certificates=os.environ["PLUGIN_CLIENT_CERT"].encode(), require_client_auth=True)
    address = os.path.join(os.environ["PLUGIN_UNIX_SOCKET_DIR"], "hook")
    server.add_secure_port("unix:" + address, credentials)
    server.start()
    # go-plugin's protocol 1, ours 1, where, how, and the certificate in base64 without padding.
    der = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode().rstrip("=")
    print(f"1|1|unix|{address}|grpc|{der}", flush=True)
    server.wait_for_termination()


def answer(call, context):
    try:
        yield from run(call)
    except Exception as error:  # the stage has failed, and people read why
        context.abort(grpc.StatusCode.UNKNOWN, str(error))


def certify():
    """A key and a certificate for this process alone, in the form that go-plugin expects."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.utcnow()
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem, certificate


if __name__ == "__main__":
    serve()
