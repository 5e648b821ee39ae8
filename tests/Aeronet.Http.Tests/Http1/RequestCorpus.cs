using System.Collections.Generic;
using System.Linq;

namespace Aeronet.Http.Tests.Http1;

/// <summary>Whole request heads; each is also cut at every byte and mutated by the property tests.</summary>
internal static class RequestCorpus
{
    private const string Host = "Host: a.example\r\n";

    public static IReadOnlyList<string> Valid { get; } =
    [
        "GET / HTTP/1.1\r\n" + Host + "\r\n",
        "GET /plaintext HTTP/1.1\r\nHost: localhost:8080\r\nAccept: text/plain,*/*;q=0.7\r\nConnection: keep-alive\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\n" + Host + "\r\n",
        "GET /a/b.c/d?x=1&y=%zz&z=? HTTP/1.1\r\n" + Host + "\r\n",
        "GET /a%20b/../c/./%2e%2e/%41%C3%A9 HTTP/1.1\r\n" + Host + "\r\n",
        "GET /.well-known/x HTTP/1.1\r\n" + Host + "\r\n",
        "GET /a{b}|\\^`\"<> HTTP/1.1\r\n" + Host + "\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET http://a.example/x/y?z HTTP/1.1\r\n" + Host + "\r\n",
        "GET HTTP://A.EXAMPLE HTTP/1.1\r\n" + Host + "\r\n",
        "GET http://a.example:80?q HTTP/1.1\r\n" + Host + "\r\n",
        "GET http://a.example/ HTTP/1.0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\n" + Host + "\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
        "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n",
        "POST /p HTTP/1.1\r\n" + Host + "Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
        "POST /p HTTP/1.1\r\n" + Host + "Transfer-Encoding: chunked\r\nTE: trailers, deflate;q=0.5\r\n\r\n0\r\n\r\n",
        "PUT /p HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
        "HEAD / HTTP/1.1\r\n" + Host + "Connection: close, upgrade\r\nUpgrade: websocket\r\n\r\n",
        "BREW /pot HTTP/1.1\r\n" + Host + "\r\n",
        "PATCH / HTTP/1.1\r\nhOsT:a.example\r\nX:\r\nY:  \t \r\nZ: \t a \t b\t\r\nobs: \u00e9\u00ff\r\n\r\n",
        "DELETE / HTTP/1.1\r\nHost:\r\n\r\n",
        "TRACE / HTTP/1.1\r\n" + string.Concat(Enumerable.Range(0, 40).Select(i => "X-" + i + ": " + new string('v', i) + "\r\n")) + Host + "\r\n",
    ];

    public static IReadOnlyList<string> Invalid { get; } =
    [
        "\x16\x03\x01\x02\x00\x01\x00",
        "\x16GET / HTTP/1.1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET\r\n\r\n",
        "GET /\r\n\r\n",
        "GET  / HTTP/1.1\r\n" + Host + "\r\n",
        "GET /  HTTP/1.1\r\n" + Host + "\r\n",
        "GET / HTTP/1.1 \r\n" + Host + "\r\n",
        " GET / HTTP/1.1\r\n" + Host + "\r\n",
        "GET\t/ HTTP/1.1\r\n" + Host + "\r\n",
        "GET / HTTP/1.2\r\n" + Host + "\r\n",
        "GET / http/1.1\r\n" + Host + "\r\n",
        "G(T / HTTP/1.1\r\n" + Host + "\r\n",
        "GET /a b HTTP/1.1\r\n" + Host + "\r\n",
        "GET /%4 HTTP/1.1\r\n" + Host + "\r\n",
        "GET /%zz HTTP/1.1\r\n" + Host + "\r\n",
        "GET /%00 HTTP/1.1\r\n" + Host + "\r\n",
        "GET /#x HTTP/1.1\r\n" + Host + "\r\n",
        "GET /?a#x HTTP/1.1\r\n" + Host + "\r\n",
        "GET %2f HTTP/1.1\r\n" + Host + "\r\n",
        "GET ?a HTTP/1.1\r\n" + Host + "\r\n",
        "GET * HTTP/1.1\r\n" + Host + "\r\n",
        "GET a.example:80 HTTP/1.1\r\n" + Host + "\r\n",
        "GET /\u00e9 HTTP/1.1\r\n" + Host + "\r\n",
        "GET /\x01 HTTP/1.1\r\n" + Host + "\r\n",
        "GET / HTTP/1.1\n" + Host + "\r\n",
        "GET / HTTP/1.1\r" + Host + "\r\n",
        "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
        "GET / HTTP/1.1\r\n" + Host + "X: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\n" + Host + "X : a\r\n\r\n",
        "GET / HTTP/1.1\r\n" + Host + "X\r\n\r\n",
        "GET / HTTP/1.1\r\n" + Host + ": a\r\n\r\n",
        "GET / HTTP/1.1\r\n" + Host + "X(: a\r\n\r\n",
        "GET / HTTP/1.1\r\n" + Host + "X: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET / HTTP/1.1\r\nX: y\r\n\r\n",
        "GET / HTTP/1.1\r\n" + Host + Host + "\r\n",
        "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
        "GET http://b.example/ HTTP/1.1\r\n" + Host + "\r\n",
        "GET http:/// HTTP/1.1\r\n" + Host + "\r\n",
        "CONNECT a.example HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "POST / HTTP/1.1\r\n" + Host + "Content-Length: +1\r\n\r\n",
        "POST / HTTP/1.1\r\n" + Host + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "POST / HTTP/1.1\r\n" + Host + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\n" + Host + "Transfer-Encoding: gzip, chunked\r\n\r\n",
        "POST / HTTP/1.1\r\n" + Host + "Transfer-Encoding: gzip\r\n\r\n",
        "POST / HTTP/1.1\r\n" + Host + "Transfer-Encoding: chunked, chunked\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.0\r\n\r\n",
    ];
}
