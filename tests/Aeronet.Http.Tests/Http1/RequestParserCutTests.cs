using System;
using System.Collections.Generic;
using System.Linq;
using Aeronet.Http.Http1;
using CsCheck;
using Xunit;
using static Aeronet.Http.Tests.Http1.RequestReading;

namespace Aeronet.Http.Tests.Http1;

/// <summary>The verdict does not depend on how the bytes arrive.</summary>
public sealed class RequestParserCutTests
{
    private static readonly Http1Limits s_lineFeeds = new() { AllowLineFeedTerminators = true };
    private static readonly Http1Limits s_tight = new() { RequestLineSizeMax = 24, HeadersTotalSizeMax = 40, HeaderCountMax = 2 };

    public static TheoryData<string> Corpus => [.. RequestCorpus.Valid, .. RequestCorpus.Invalid];

    public static TheoryData<string> Valid => [.. RequestCorpus.Valid];

    public static TheoryData<string> Invalid => [.. RequestCorpus.Invalid];

    [Theory]
    [MemberData(nameof(Valid))]
    public void The_valid_corpus_is_accepted(string request) => Accept(request);

    [Theory]
    [MemberData(nameof(Invalid))]
    public void The_invalid_corpus_is_refused(string request) => Assert.InRange(Refuse(request).Status, 400, 505);

    [Theory]
    [MemberData(nameof(Corpus))]
    [Trait("Defect", "PARSE-1")]
    [Trait("Defect", "PARSE-23")]
    public void Cut_at_every_byte_gives_the_same_result_as_whole(string request)
    {
        byte[] bytes = Bytes(request);
        foreach (Http1Limits limits in (Http1Limits[])[Http1Limits.Default, s_lineFeeds, s_tight])
        {
            ParseOutcome whole = Whole(bytes, limits);
            for (int cut = 0; cut <= bytes.Length; cut++)
            {
                Assert.Equal(whole, InPieces(bytes, [cut, bytes.Length], limits));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Corpus))]
    [Trait("Defect", "PARSE-3")]
    public void Fed_byte_by_byte_gives_the_same_result_and_searches_no_byte_twice(string request)
    {
        // InPieces asserts after each step that everything but a waiting CR counts as examined.
        byte[] bytes = Bytes(request);
        Assert.Equal(Whole(bytes), InPieces(bytes, [.. Enumerable.Range(1, bytes.Length)]));
    }

    [Theory]
    [MemberData(nameof(Valid))]
    [Trait("Defect", "PARSE-1")]
    public void A_head_is_never_complete_before_its_last_byte(string request)
    {
        byte[] bytes = Bytes(request);
        int length = Accept(request).Length;
        for (int cut = 0; cut < length; cut++)
        {
            Assert.Equal(ParseStatus.NeedMore, Whole(bytes[..cut]).Status);
        }
    }

    [Fact]
    [Trait("Defect", "PARSE-3")]
    public void A_maximal_head_fed_byte_by_byte_is_examined_once()
    {
        string request = "GET /" + new string('a', 8000) + " HTTP/1.1\r\nHost: a\r\nX: " + new string('v', 30000) + "\r\n\r\n";
        byte[] bytes = Bytes(request);
        RequestParser parser = default;
        RequestHead head = new();
        long scanned = 0;
        for (int length = 1; length <= bytes.Length; length++)
        {
            scanned += length - parser.Examined;
            ParseStatus status = parser.Parse(bytes.AsSpan(0, length), Http1Limits.Default, head, out _);
            Assert.Equal(length == bytes.Length ? ParseStatus.Done : ParseStatus.NeedMore, status);
        }

        // Each of the four CRs is looked at a second time when its LF arrives.
        Assert.Equal(bytes.Length + 4, scanned);
    }

    [Fact]
    [Trait("Defect", "PARSE-20")]
    [Trait("Defect", "PARSE-19")]
    public void Random_requests_cut_anywhere_give_the_same_result_and_never_throw()
    {
        Gen.Select(GenRequest, Gen.Int[0, 2], Gen.Int[0, 400].Array[0, 6]).Sample(
            (bytes, which, points) =>
            {
                Http1Limits limits = which switch { 0 => Http1Limits.Default, 1 => s_lineFeeds, _ => s_tight };
                List<int> cuts = [.. points.Select(p => p % (bytes.Length + 1)).Append(bytes.Length).Order()];
                ParseOutcome whole = Whole(bytes, limits);
                ParseOutcome pieces = InPieces(bytes, cuts, limits);
                return whole == pieces;
            },
            iter: 20_000,
            threads: 1);
    }

    private static readonly Gen<string> GenPart = Gen.OneOf(
        "GET", "POST", "OPTIONS", "CONNECT", "X", " ", "  ", "\t", "/", "/a%41/../b", "/?q", "*", "http://a/", "a:80", "%", "#",
        "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "\r\n", "\r", "\n", "\r\n\r\n", "Host: a", "Host", ":", ": ", "Content-Length: 3",
        "Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Connection: close", "X-Y: z", "\0", "\x16\x03", "\u00ff", "a", ",");

    private static readonly Gen<byte[]> GenSoup = GenPart.Array[0, 12].Select(parts => Bytes(string.Concat(parts)));

    private static readonly Gen<byte[]> GenStructured = Gen.Select(
        Gen.OneOf("", "\r\n"),
        Gen.OneOf("GET", "POST", "PUT", "OPTIONS", "CONNECT", "BREW"),
        Gen.OneOf("/", "/a.b/./c", "/%41?x=%", "*", "http://a/x", "a:1", "/%"),
        Gen.OneOf("HTTP/1.1", "HTTP/1.0", "HTTP/1.2"),
        Gen.OneOf(
            "Host: a", "host:a:1", "Content-Length: 3", "Content-Length:", "Transfer-Encoding: chunked", "TE: trailers", "Expect: 100-continue",
            "Connection: keep-alive, x", "X: y", "X : y", " x", "Y:\tz\t").Array[0, 6],
        (lead, method, target, version, fields) =>
            Bytes(lead + method + " " + target + " " + version + "\r\n" + string.Concat(fields.Select(f => f + "\r\n")) + "\r\n"));

    private static readonly Gen<byte[]> GenMutated = Gen.Select(
        Gen.OneOf((string[])[.. RequestCorpus.Valid, .. RequestCorpus.Invalid]),
        Gen.Select(Gen.Int[0, 10_000], Gen.Byte, Gen.Int[0, 2]).Array[1, 3],
        (request, edits) =>
        {
            List<byte> bytes = [.. Bytes(request)];
            foreach ((int place, byte value, int kind) in edits)
            {
                int at = place % (bytes.Count + 1);
                if (kind == 0 || at == bytes.Count)
                {
                    bytes.Insert(at, value);
                }
                else if (kind == 1)
                {
                    bytes[at] = value;
                }
                else
                {
                    bytes.RemoveAt(at);
                }
            }

            return bytes.ToArray();
        });

    private static readonly Gen<byte[]> GenRequest = Gen.OneOf(GenSoup, GenStructured, GenMutated);
}
