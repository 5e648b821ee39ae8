using System;
using System.Buffers;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;
using BenchmarkDotNet.Attributes;
using Microsoft.AspNetCore.Server.Kestrel.Core.Internal.Http;

namespace Aeronet.Microbenchmarks.Http1;

/// <summary>One request head from bytes to offsets. Kestrel's parser stands beside ours, but finds only the parts: the meaning of Host, Content-Length or Connection comes later there.</summary>
[MemoryDiagnoser]
public class RequestHeadParsing
{
    private readonly RequestHead _head = new();
    private readonly HttpParser<KestrelHandler> _kestrel = new();
    private byte[] _bytes = [];

    [Params(SampleHeads.Tiny, SampleHeads.Browser, SampleHeads.HundredFields)]
    public string Head { get; set; } = SampleHeads.Tiny;

    [GlobalSetup]
    public void Setup()
    {
        _bytes = SampleHeads.Get(Head);
        if (Aeronet() != _bytes.Length || Kestrel() != _bytes.Length)
        {
            throw new InvalidOperationException("a head was not parsed to its end");
        }
    }

    [Benchmark]
    public int Aeronet()
    {
        RequestParser parser = default;
        return parser.Parse(_bytes, Http1Limits.Default, _head, out ProtocolError _) == ParseStatus.Done ? _head.Length : -1;
    }

    [Benchmark(Baseline = true)]
    public long Kestrel()
    {
        SequenceReader<byte> reader = new(new ReadOnlySequence<byte>(_bytes));
        KestrelHandler handler = default;
        bool isDone = _kestrel.ParseRequestLine(handler, ref reader) && _kestrel.ParseHeaders(handler, ref reader);
        return isDone ? reader.Consumed : -1;
    }

    private readonly struct KestrelHandler : IHttpRequestLineHandler, IHttpHeadersHandler
    {
        public void OnStartLine(HttpVersionAndMethod versionAndMethod, TargetOffsetPathLength targetPath, Span<byte> startLine)
        {
        }

        public void OnHeader(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
        {
        }

        public void OnHeadersComplete(bool endStream)
        {
        }

        public void OnStaticIndexedHeader(int index)
        {
        }

        public void OnStaticIndexedHeader(int index, ReadOnlySpan<byte> value)
        {
        }
    }
}
