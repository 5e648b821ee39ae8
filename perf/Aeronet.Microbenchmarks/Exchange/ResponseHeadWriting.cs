using System;
using Aeronet.Server.Exchange;
using BenchmarkDotNet.Attributes;
using Microsoft.AspNetCore.Http;

namespace Aeronet.Microbenchmarks.Exchange;

/// <summary>The field lines of a response: set by the application, checked, written. Kestrel's counterpart is not public.</summary>
[MemoryDiagnoser]
public class ResponseHeadWriting
{
    private readonly ResponseHeaders _headers = new(encodingSelector: null);
    private readonly byte[] _destination = new byte[1024];

    [GlobalSetup]
    public void Setup()
    {
        if (Known() == 0 || KnownAndCustom() <= Known())
        {
            throw new InvalidOperationException("nothing was written");
        }
    }

    [Benchmark(Baseline = true)]
    public int Known() => Write(custom: false);

    [Benchmark]
    public int KnownAndCustom() => Write(custom: true);

    private int Write(bool custom)
    {
        IHeaderDictionary headers = _headers;
        headers.ContentType = "application/json; charset=utf-8";
        headers.ContentLength = 1234;
        headers.CacheControl = "no-cache";
        if (custom)
        {
            headers["X-Request-Id"] = "0HMVFE0A284AM:00000001";
            headers["X-Frame-Options"] = "DENY";
        }

        _headers.SetReadOnly();
        bool fits = _headers.TryWrite(_destination, out int written);
        _headers.Reset();
        return fits ? written : 0;
    }
}
