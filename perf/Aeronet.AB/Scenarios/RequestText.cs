using System;
using System.Globalization;
using System.Text;

namespace Aeronet.AB.Scenarios;

/// <summary>Requests as bytes.</summary>
internal static class RequestText
{
    public static ReadOnlyMemory<byte> Get(string path, string moreFields = "") =>
        Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: localhost\r\n{moreFields}\r\n");

    public static ReadOnlyMemory<byte> Post(string path, int bodyBytes)
    {
        string head = string.Create(CultureInfo.InvariantCulture, $"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: {bodyBytes}\r\n\r\n");
        byte[] request = new byte[head.Length + bodyBytes];
        Encoding.ASCII.GetBytes(head, request);
        for (int index = head.Length; index < request.Length; index++)
        {
            request[index] = (byte)('a' + (index % 26));
        }

        return request;
    }
}
