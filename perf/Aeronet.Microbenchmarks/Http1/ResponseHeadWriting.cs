using System;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;
using BenchmarkDotNet.Attributes;

namespace Aeronet.Microbenchmarks.Http1;

/// <summary>The field lines of an ordinary response; status line and Date come from caches and are copies.</summary>
[MemoryDiagnoser]
public class ResponseHeadWriting
{
    private readonly byte[] _buffer = new byte[1024];

    [Benchmark]
    public int KnownFields()
    {
        Span<byte> into = _buffer;
        int at = 0;
        at += Add(ResponseHeadWriter.TryWriteField(into[at..], KnownHeader.ContentType, "application/json; charset=utf-8", out int written), written);
        at += ResponseHeadWriter.TryWriteContentLength(into[at..], 1234, out written) ? written : throw new InvalidOperationException();
        return at;
    }

    [Benchmark]
    public int UnknownField()
    {
        return Add(ResponseHeadWriter.TryWriteField(_buffer, "X-Request-Id", "0HN7K3J2M1P9Q:00000001", out int written), written);
    }

    [Benchmark]
    public int LongValue()
    {
        return Add(ResponseHeadWriter.TryWriteField(_buffer, KnownHeader.SetCookie, Cookie, out int written), written);
    }

    private const string Cookie = ".AspNetCore.Cookies=CfDJ8OQd1Y5Zb0p9cK2u7wVx3nA4rTg6hJkLmNpQsStUvWxYz0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ; path=/; samesite=lax; httponly";

    private static int Add(FieldWriteStatus status, int written) => status == FieldWriteStatus.Done ? written : throw new InvalidOperationException($"{status}");
}
