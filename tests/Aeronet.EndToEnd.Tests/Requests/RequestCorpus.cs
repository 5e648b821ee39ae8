using System.Collections.Generic;
using System.Linq;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;

namespace Aeronet.EndToEnd.Tests.Requests;

/// <summary>Requests by subject. Each is sent whole and cut in two by <see cref="RequestCorpusTests"/>.</summary>
internal static class RequestCorpus
{
    private static readonly RequestCase[] _requestLines =
    [
        new("no target", "GET\r\nHost: a\r\n\r\n", 400),
        new("no version", "GET /\r\nHost: a\r\n\r\n", 400),
        new("two spaces before the target", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        new("two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", WantedDifferences.RepeatedSpaceInRequestLine.Kestrel, WantedDifferences.RepeatedSpaceInRequestLine.Aeronet),
        new("space before the method", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        new("space after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
        new("space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        new("tab for a space", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        new("delimiter in the method", "GE<T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        new("NUL in the method", "G\0T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        new("obs-text in the method", "G\u00e9T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        new("no method", "/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        new("bare CR in the line", "GET / HTTP/1.1\rHost: a\r\n\r\n", 400),
        new("TLS handshake", "\u0016\u0003\u0001\0\u00a5\u0001\0\0\u00a1\u0003\u0003\r\n\r\n", 400),
        new("version 1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
        new("version 2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        new("version 0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
        new("extension method", "MKCALENDAR / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        new("every token character in the method", "A1!#$%&'*+-.^_`|~ / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        new("lower-case method is another method", "get / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        new("one empty line before", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        new("three empty lines before", "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        new("HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", 200),
        new("bare LF after the line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 200, WantedDifferences.BareLineFeed.Aeronet),
    ];

    private static readonly RequestCase[] _targets =
    [
        new("target without a slash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        new("target begins with a percent", "GET %2F HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        new("target begins with a question mark", "GET ?a=b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        new("NUL in the target", "GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        new("escaped NUL", "GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        new("obs-text in the target", "GET /\u00e9 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        new("asterisk with GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        new("authority with GET", "GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 405),
        new("CONNECT with a path", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", WantedDifferences.ConnectWithPath.Kestrel, WantedDifferences.ConnectWithPath.Aeronet),
        new("asterisk with OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        new("absolute form", "GET http://a/p?q HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        new("absolute form of another host", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        new("absolute form without a path", "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        new("control character in the target", "GET /a\u0001b HTTP/1.1\r\nHost: a\r\n\r\n", 200, WantedDifferences.ControlCharacterInTarget.Aeronet),
        new("DEL in the target", "GET /a\u007fb HTTP/1.1\r\nHost: a\r\n\r\n", 200, WantedDifferences.ControlCharacterInTarget.Aeronet),
        new("escape with a bad digit", "GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n", 200, WantedDifferences.BadPercentEscape.Aeronet),
        new("escape cut short", "GET /a%4 HTTP/1.1\r\nHost: a\r\n\r\n", 200, WantedDifferences.BadPercentEscape.Aeronet),
    ];

    private static readonly RequestCase[] _hosts =
    [
        new("no Host", "GET / HTTP/1.1\r\n\r\n", 400),
        new("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        new("two equal Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        new("two Hosts on 1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        new("Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        new("Host with userinfo", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
        new("Host with a slash", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        new("Host with a port of letters", "GET / HTTP/1.1\r\nHost: a:bc\r\n\r\n", 400),
        new("Host with an open bracket only", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
        new("Host with obs-text", "GET / HTTP/1.1\r\nHost: \u00c3\u00a9\r\n\r\n", 400),
        new("Host with a list", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400),
        new("empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 200),
        new("Host of a name and a port", "GET / HTTP/1.1\r\nHost: a.example:8080\r\n\r\n", 200),
        new("Host of an IPv4 address", "GET / HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n", 200),
        new("Host of an IPv6 address", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200),
        new("Host of an IPv6 address without a port", "GET / HTTP/1.1\r\nHost: [2001:db8::7]\r\n\r\n", 200),
    ];

    private static readonly RequestCase[] _fields =
    [
        new("space before the colon", "GET / HTTP/1.1\r\nHost: a\r\nFoo : x\r\n\r\n", 400),
        new("tab before the colon", "GET / HTTP/1.1\r\nHost: a\r\nFoo\t: x\r\n\r\n", 400),
        new("no colon", "GET / HTTP/1.1\r\nHost: a\r\nFoo\r\n\r\n", 400),
        new("empty name", "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400),
        new("folded line", "GET / HTTP/1.1\r\nHost: a\r\nFoo: x\r\n y\r\n\r\n", 400),
        new("folded first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
        new("delimiter in the name", "GET / HTTP/1.1\r\nHost: a\r\nF(o: x\r\n\r\n", WantedDifferences.DelimiterInFieldName.Kestrel, WantedDifferences.DelimiterInFieldName.Aeronet),
        new("NUL in the name", "GET / HTTP/1.1\r\nHost: a\r\nF\0o: x\r\n\r\n", 400),
        new("obs-text in the name", "GET / HTTP/1.1\r\nHost: a\r\nF\u00e9: x\r\n\r\n", 400),
        new("NUL in the value", "GET / HTTP/1.1\r\nHost: a\r\nFoo: x\0y\r\n\r\n", 400),
        new("bare CR in the value", "GET / HTTP/1.1\r\nHost: a\r\nFoo: x\ry\r\n\r\n", 400),
        new("bare CR in the name", "GET / HTTP/1.1\r\nHost: a\r\nF\ro: x\r\n\r\n", 400),
        new("end of the head begins with CR alone", "GET / HTTP/1.1\r\nHost: a\r\n\rX\n", 400),
        new("bare LF after a field", "GET / HTTP/1.1\r\nHost: a\nFoo: x\r\n\r\n", 200, WantedDifferences.BareLineFeed.Aeronet),
        new("bare LF after the head", "GET / HTTP/1.1\r\nHost: a\r\n\n", 200, WantedDifferences.BareLineFeed.Aeronet),
        new("no space after the colon", "GET / HTTP/1.1\r\nHost:a\r\n\r\n", 200),
        new("spaces and tabs around the value", "GET / HTTP/1.1\r\nHost: \t a \t \r\n\r\n", 200),
        new("empty value", "GET / HTTP/1.1\r\nHost: a\r\nFoo:\r\n\r\n", 200),
        new("every token character in a name", "GET / HTTP/1.1\r\nHost: a\r\nA1!#$%&'*+-.^_`|~: x\r\n\r\n", 200),
        new("UTF-8 in a value", "GET / HTTP/1.1\r\nHost: a\r\nFoo: \u00c3\u00a9\r\n\r\n", 200),
        new("invalid UTF-8 in a value", "GET / HTTP/1.1\r\nHost: a\r\nFoo: \u00e9\r\n\r\n", 400),
    ];

    private static readonly RequestCase[] _lengths =
    [
        new("length with a sign", Post("Content-Length: +3") + "abc", WantedDifferences.SignedContentLength.Kestrel, WantedDifferences.SignedContentLength.Aeronet),
        new("negative length", Post("Content-Length: -3") + "abc", 400),
        new("length with letters", Post("Content-Length: 3a") + "abc", 400),
        new("hexadecimal length", Post("Content-Length: 0x3") + "abc", 400),
        new("empty length", Post("Content-Length:") + "abc", 400),
        new("length with a fraction", Post("Content-Length: 3.0") + "abc", 400),
        new("length beyond 64 bits", Post("Content-Length: 18446744073709551619") + "abc", 400),
        new("two equal lengths", Post("Content-Length: 3\r\nContent-Length: 3") + "abc", 400),
        new("two different lengths", Post("Content-Length: 3\r\nContent-Length: 4") + "abc", 400),
        new("list of equal lengths", Post("Content-Length: 3, 3") + "abc", 400),
        new("length zero", Post("Content-Length: 0"), 200),
        new("length three", Post("Content-Length: 3") + "abc", 200),
        new("length with leading zeros", Post("Content-Length: 0003") + "abc", 200),
        new("POST without a length is empty", Post("Foo: x"), 200),
        new("POST on 1.0 without a length", "POST / HTTP/1.0\r\nHost: a\r\n\r\n", 400),
        new("PUT on 1.0 without a length", "PUT / HTTP/1.0\r\nHost: a\r\n\r\n", 400),
        new("POST on 1.0 with a length", "POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 200),
        new("GET with a body", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 200),
    ];

    private static readonly RequestCase[] _chunks =
    [
        new("one chunk", Chunked("3\r\nabc\r\n0\r\n\r\n"), 200),
        new("three chunks", Chunked("1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n"), 200),
        new("no chunk but the last", Chunked("0\r\n\r\n"), 200),
        new("capital and leading zero in the size", Chunked("00A\r\n0123456789\r\n0\r\n\r\n"), 200),
        new("small letter in the size", Chunked("a\r\n0123456789\r\n0\r\n\r\n"), 200),
        new("several zeros as the last size", Chunked("3\r\nabc\r\n000\r\n\r\n"), 200),
        new("extension without a value", Chunked("3;x\r\nabc\r\n0\r\n\r\n"), 200),
        new("extension with a value", Chunked("3;x=y\r\nabc\r\n0;z\r\n\r\n"), 200),
        new("extension with a quoted value", Chunked("3;x=\"y z\"\r\nabc\r\n0\r\n\r\n"), 200),
        new("trailer", Chunked("3\r\nabc\r\n0\r\nFoo: x\r\n\r\n"), 200),
        new("size with a sign", Chunked("+3\r\nabc\r\n0\r\n\r\n"), 400),
        new("size with a prefix", Chunked("0x3\r\nabc\r\n0\r\n\r\n"), 400),
        new("size after a space", Chunked(" 3\r\nabc\r\n0\r\n\r\n"), 400),
        new("size of letters", Chunked("g\r\nabc\r\n0\r\n\r\n"), 400),
        new("empty size", Chunked("\r\nabc\r\n0\r\n\r\n"), 400),
        new("only an extension", Chunked(";x\r\nabc\r\n0\r\n\r\n"), 400),
        new("size beyond 31 bits", Chunked("80000000\r\nabc\r\n0\r\n\r\n"), WantedDifferences.HugeChunkSize.Kestrel, WantedDifferences.HugeChunkSize.Aeronet),
        new("size of many digits", Chunked("000000000003\r\nabc\r\n0\r\n\r\n"), 400),
        new("chunk longer than its size", Chunked("3\r\nabcd\r\n0\r\n\r\n"), 400),
        new("chunk shorter than its size", Chunked("4\r\nabc\r\n0\r\n\r\n"), 400),
        new("chunk ended by LF alone", Chunked("3\r\nabc\n0\r\n\r\n"), 400),
        new("chunk ended by CR and another byte", Chunked("3\r\nabc\rX0\r\n\r\n"), 400),
        new("LF in an extension", Chunked("3;x\ny\r\nabc\r\n0\r\n\r\n"), 400),
        new("CR in an extension", Chunked("3;x\ry\r\nabc\r\n0\r\n\r\n"), 400),
        new("size line ended by LF alone", Chunked("3\nabc\r\n0\r\n\r\n"), 400),
        new("trailer with a bad name", Chunked("0\r\nF o: x\r\n\r\n"), 400),
        new("trailer without a colon", Chunked("0\r\nFoo\r\n\r\n"), 400),
        new("trailer with NUL", Chunked("0\r\nFoo: x\0y\r\n\r\n"), WantedDifferences.BadByteInTrailer.Kestrel, WantedDifferences.BadByteInTrailer.Aeronet),
        new("folded trailer", Chunked("0\r\nFoo: x\r\n y\r\n\r\n"), 400),
    ];

    private static readonly RequestCase[] _codings =
    [
        new("length before transfer coding", Post("Content-Length: 3\r\nTransfer-Encoding: chunked") + "3\r\nabc\r\n0\r\n\r\n", 200, WantedDifferences.LengthWithTransferEncoding.Aeronet),
        new("transfer coding before length", Post("Transfer-Encoding: chunked\r\nContent-Length: 3") + "3\r\nabc\r\n0\r\n\r\n", 200, WantedDifferences.LengthWithTransferEncoding.Aeronet),
        new("coding on 1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200, WantedDifferences.TransferEncodingOnHttp10.Aeronet),
        new("gzip below chunked", Post("Transfer-Encoding: gzip, chunked") + "3\r\nabc\r\n0\r\n\r\n", 200, WantedDifferences.OtherTransferCoding.Aeronet),
        new("chunked is not the last coding", Post("Transfer-Encoding: chunked, gzip") + "3\r\nabc\r\n0\r\n\r\n", 400),
        new("coding without chunked", Post("Transfer-Encoding: gzip") + "abc", 400),
        new("coding that only begins like chunked", Post("Transfer-Encoding: chunkedx") + "3\r\nabc\r\n0\r\n\r\n", 400),
        new("coding in quotes", Post("Transfer-Encoding: \"chunked\"") + "3\r\nabc\r\n0\r\n\r\n", 400),
        new("coding in capitals", Post("Transfer-Encoding: CHUNKED") + "3\r\nabc\r\n0\r\n\r\n", 200),
        new("chunked twice in a list", Post("Transfer-Encoding: chunked, chunked") + "3\r\nabc\r\n0\r\n\r\n", WantedDifferences.ChunkedTwice.Kestrel, WantedDifferences.ChunkedTwice.Aeronet),
        new("chunked twice in lines", Post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked") + "3\r\nabc\r\n0\r\n\r\n", WantedDifferences.ChunkedTwice.Kestrel, WantedDifferences.ChunkedTwice.Aeronet),
        new("identity coding", Post("Transfer-Encoding: identity") + "abc", 400),
        new("coding after a vertical tab", Post("Transfer-Encoding: \u000bchunked") + "3\r\nabc\r\n0\r\n\r\n", 400),
        new("coding with a parameter", Post("Transfer-Encoding: chunked;q=1") + "3\r\nabc\r\n0\r\n\r\n", 400),
        new("space before the colon of the coding", Post("Transfer-Encoding : chunked") + "3\r\nabc\r\n0\r\n\r\n", 400),
        new("length, coding and X-Content-Length", Post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\nX-Content-Length: 5") + "3\r\nabc\r\n0\r\n\r\n", WantedDifferences.LengthCodingAndOwnName.Kestrel, WantedDifferences.LengthCodingAndOwnName.Aeronet),
        new("forbidden trailer", Chunked("0\r\nContent-Length: 3\r\n\r\n"), WantedDifferences.ForbiddenTrailer.Kestrel, WantedDifferences.ForbiddenTrailer.Aeronet),
        new("empty coding", Post("Transfer-Encoding:") + "3\r\nabc\r\n0\r\n\r\n", 400),
    ];

    private static readonly Dictionary<string, RequestCase> _byName =
        new[] { _requestLines, _targets, _hosts, _fields, _lengths, _chunks, _codings }.SelectMany(cases => cases).ToDictionary(entry => entry.Name);

    public static IEnumerable<string> RequestLines => _requestLines.Select(entry => entry.Name);

    public static IEnumerable<string> Targets => _targets.Select(entry => entry.Name);

    public static IEnumerable<string> Hosts => _hosts.Select(entry => entry.Name);

    public static IEnumerable<string> Fields => _fields.Select(entry => entry.Name);

    public static IEnumerable<string> Lengths => _lengths.Select(entry => entry.Name);

    public static IEnumerable<string> Chunks => _chunks.Select(entry => entry.Name);

    public static IEnumerable<string> Codings => _codings.Select(entry => entry.Name);

    public static RequestCase Case(string name) => _byName[name];

    public static int StatusOn(this RequestCase entry, ServerKind server) =>
        server.IsAeronet() ? entry.AeronetStatus ?? entry.Status : entry.Status;

    private static string Post(string fields) => $"POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n";

    private static string Chunked(string body) => Post("Transfer-Encoding: chunked") + body;
}
