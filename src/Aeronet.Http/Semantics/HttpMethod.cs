using System;
using System.Buffers.Binary;

namespace Aeronet.Http.Semantics;

/// <summary>Methods with a shared string; any other token is legal and <see cref="Other"/>.</summary>
internal enum HttpMethod : byte { Other, Get, Head, Post, Put, Delete, Connect, Options, Trace, Patch }

/// <summary>Name to value and back, without allocation. Methods are case-sensitive, RFC 9110 section 9.1.</summary>
internal static class HttpMethods
{
    private static readonly string[] s_names = ["", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

    // The first four bytes of a request line tell these four apart; HEAD and POST then need their space checked.
    private static readonly uint s_get = BinaryPrimitives.ReadUInt32LittleEndian("GET "u8);
    private static readonly uint s_put = BinaryPrimitives.ReadUInt32LittleEndian("PUT "u8);
    private static readonly uint s_post = BinaryPrimitives.ReadUInt32LittleEndian("POST"u8);
    private static readonly uint s_head = BinaryPrimitives.ReadUInt32LittleEndian("HEAD"u8);

    /// <summary>The shared string; the empty string for <see cref="HttpMethod.Other"/>.</summary>
    public static string Name(HttpMethod method) => s_names[(int)method];

    public static HttpMethod Lookup(ReadOnlySpan<byte> name) => name.Length switch
    {
        3 when name.SequenceEqual("GET"u8) => HttpMethod.Get,
        3 when name.SequenceEqual("PUT"u8) => HttpMethod.Put,
        4 when name.SequenceEqual("HEAD"u8) => HttpMethod.Head,
        4 when name.SequenceEqual("POST"u8) => HttpMethod.Post,
        5 when name.SequenceEqual("PATCH"u8) => HttpMethod.Patch,
        5 when name.SequenceEqual("TRACE"u8) => HttpMethod.Trace,
        6 when name.SequenceEqual("DELETE"u8) => HttpMethod.Delete,
        7 when name.SequenceEqual("OPTIONS"u8) => HttpMethod.Options,
        7 when name.SequenceEqual("CONNECT"u8) => HttpMethod.Connect,
        _ => HttpMethod.Other,
    };

    /// <summary>The common methods by one integer compare. Other means: look closer, not: unknown.</summary>
    public static HttpMethod LookupAtStartOf(ReadOnlySpan<byte> line, out int methodLength)
    {
        if (line.Length > 4)
        {
            uint first = BinaryPrimitives.ReadUInt32LittleEndian(line);
            if (first == s_get)
            {
                methodLength = 3;
                return HttpMethod.Get;
            }

            if (first == s_post && line[4] == (byte)' ')
            {
                methodLength = 4;
                return HttpMethod.Post;
            }

            if (first == s_put)
            {
                methodLength = 3;
                return HttpMethod.Put;
            }

            if (first == s_head && line[4] == (byte)' ')
            {
                methodLength = 4;
                return HttpMethod.Head;
            }
        }

        methodLength = 0;
        return HttpMethod.Other;
    }
}
