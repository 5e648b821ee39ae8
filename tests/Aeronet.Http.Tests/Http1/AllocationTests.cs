using System;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;
using Xunit;
using static Aeronet.Http.Tests.Http1.RequestReading;

namespace Aeronet.Http.Tests.Http1;

/// <summary>Parsing well-formed requests allocates nothing once the head has grown to its size.</summary>
public sealed class AllocationTests
{
    private static long AllocatedBy(Func<bool> action)
    {
        // Twice before, so that static tables and tier-0 code do not count.
        Assert.True(action());
        Assert.True(action());
        long before = GC.GetAllocatedBytesForCurrentThread();
        bool result = action();
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(result);
        return allocated;
    }

    [Theory]
    [InlineData("GET /a/b%20c?d=e HTTP/1.1\r\nHost: localhost:8080\r\nAccept: */*\r\nUser-Agent: x\r\nX-Custom: y\r\nConnection: keep-alive\r\n\r\n")]
    [InlineData("POST /a HTTP/1.1\r\nHost: [::1]:8080\r\nContent-Type: application/json\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n")]
    [InlineData("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n")]
    public void Parsing_a_head_allocates_nothing_whole_or_in_pieces(string request)
    {
        byte[] bytes = Bytes(request);
        RequestHead head = new();
        Assert.Equal(0, AllocatedBy(() =>
        {
            RequestParser parser = default;
            bool done = parser.Parse(bytes, Http1Limits.Default, head, out _) == ParseStatus.Done;
            parser.Reset();
            done &= parser.Parse(bytes.AsSpan(0, bytes.Length / 2), Http1Limits.Default, head, out _) == ParseStatus.NeedMore;
            return done & (parser.Parse(bytes, Http1Limits.Default, head, out _) == ParseStatus.Done);
        }));
    }

    [Fact]
    public void Reading_a_chunked_body_with_trailers_allocates_nothing()
    {
        byte[] bytes = Bytes("5;a=b\r\nhello\r\n0\r\n");
        byte[] trailers = Bytes("A: b\r\nGrpc-Status: 0\r\n\r\n");
        TrailerSection section = new();
        Assert.Equal(0, AllocatedBy(() =>
        {
            ChunkedReader reader = default;
            reader.Reset(0);
            bool right = reader.Read(bytes, Http1Limits.Default, out int consumed, out int length, out _) == ChunkedStatus.Data;
            reader.TakeData(length);
            right &= reader.Read(bytes.AsSpan(consumed + length), Http1Limits.Default, out _, out _, out _) == ChunkedStatus.Trailers;
            TrailerParser parser = default;
            parser.Reset(reader.OffsetInRequest, 0, 0);
            return right & (parser.Parse(trailers, Http1Limits.Default, section, out _) == ParseStatus.Done);
        }));
    }

    [Fact]
    public void Writing_a_response_head_allocates_nothing()
    {
        byte[] into = new byte[200];
        DateTime now = new(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc);
        Assert.Equal(0, AllocatedBy(() =>
        {
            bool right = StatusLines.TryWrite(into, false, 200, null, out _);
            HttpDate.Write(into, now);
            return right & ChunkedWriter.WritePrefix(into, 300) == 5;
        }));
    }

    [Fact]
    [Trait("Defect", "PARSE-19")]
    public void A_refusal_allocates_no_more_than_its_excerpt()
    {
        byte[] bytes = Bytes("GET / HTTP/1.1\r\nHost: a\r\nX: " + new string('a', 8000) + "\0");
        RequestHead head = new();
        long allocated = AllocatedBy(() =>
        {
            RequestParser parser = default;
            return parser.Parse(bytes, Http1Limits.Default, head, out _) == ParseStatus.Failed;
        });
        Assert.InRange(allocated, 1, 22 + 2 + (2 * 4 * Excerpt.BytesMax) + 16);
    }
}
