using System;
using System.Text;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;
using BenchmarkDotNet.Attributes;

namespace Aeronet.Microbenchmarks.Http1;

/// <summary>64 KB of content in chunks: what the framing costs. Kestrel's counterpart is not public.</summary>
[MemoryDiagnoser]
public class ChunkedReading
{
    private const int ContentBytes = 64 * 1024;
    private byte[] _body = [];

    [Params(16, 256, 4096)]
    public int ChunkBytes { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        StringBuilder body = new();
        for (int written = 0; written < ContentBytes; written += ChunkBytes)
        {
            body.Append($"{ChunkBytes:x}\r\n").Append('a', ChunkBytes).Append("\r\n");
        }

        _body = Encoding.ASCII.GetBytes(body.Append("0\r\n\r\n").ToString());
        if (Read() != ContentBytes)
        {
            throw new InvalidOperationException("not all content was found");
        }
    }

    [Benchmark]
    public long Read()
    {
        ChunkedReader reader = default;
        reader.Reset(0);
        ReadOnlySpan<byte> input = _body;
        long content = 0;
        while (reader.Read(input, Http1Limits.Default, out int consumed, out int dataLength, out ProtocolError _) == ChunkedStatus.Data)
        {
            reader.TakeData(dataLength);
            content += dataLength;
            input = input[(consumed + dataLength)..];
        }

        return content;
    }
}
