using System;
using System.Text;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;
using Aeronet.Microbenchmarks.Http1;
using Aeronet.Server.Exchange;
using BenchmarkDotNet.Attributes;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Aeronet.Microbenchmarks.Exchange;

/// <summary>What the application reads of a parsed head: three fields by name and one that nobody knows, or all of them. Beside it the framework's public dictionary, filled with a string per field.</summary>
[MemoryDiagnoser]
public class RequestHeaderReading
{
    private readonly RequestHead _head = new();
    private readonly RequestHeaders _headers = new(encodingSelector: null, reuseStrings: true);
    private readonly HeaderDictionary _dictionary = [];
    private byte[] _bytes = [];

    [Params(SampleHeads.Tiny, SampleHeads.Browser, SampleHeads.HundredFields)]
    public string Head { get; set; } = SampleHeads.Tiny;

    [Params(false, true)]
    public bool All { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _bytes = SampleHeads.Get(Head);
        RequestParser parser = default;
        if (parser.Parse(_bytes, Http1Limits.Default, _head, out ProtocolError _) != ParseStatus.Done || Aeronet() != Framework())
        {
            throw new InvalidOperationException("the two do not agree");
        }
    }

    [Benchmark]
    public int Aeronet()
    {
        _headers.Attach(_head, _bytes, 0);
        int length = _headers.TryDecodeAll(out int _) ? Read(_headers) : -1;
        _headers.Reset();
        return length;
    }

    [Benchmark(Baseline = true)]
    public int Framework()
    {
        foreach (ref readonly FieldLine line in _head.Fields)
        {
            string name = Encoding.ASCII.GetString(_bytes, line.NameStart, line.NameLength);
            _dictionary[name] = StringValues.Concat(_dictionary[name], Encoding.ASCII.GetString(_bytes, line.ValueStart, line.ValueLength));
        }

        int length = Read(_dictionary);
        _dictionary.Clear();
        return length;
    }

    private int Read(IHeaderDictionary headers)
    {
        if (!All)
        {
            return headers.Host.ToString().Length + headers.UserAgent.ToString().Length + headers.Accept.ToString().Length + headers["X-Unknown"].Count;
        }

        int length = 0;
        foreach ((string name, StringValues values) in headers)
        {
            length += name.Length + values.ToString().Length;
        }

        return length;
    }
}
