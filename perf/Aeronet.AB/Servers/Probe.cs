using System;
using System.Globalization;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Aeronet.AB.Servers;

/// <summary>Single requests outside of the measured time, over a connection each.</summary>
internal static class Probe
{
    private const int AnswerMillisecondsMax = 20_000;

    public static bool CanConnect(int port)
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Connect(IPAddress.Loopback, port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    // HTTP/1.0: the answer to a client of that version is never chunked, so the body needs no decoding.
    public static (int Status, string Body) Get(int port, string path) =>
        Send(port, Encoding.ASCII.GetBytes($"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n"));

    /// <summary>Sends the bytes, reads until the server closes or the response's Content-Length is reached.</summary>
    public static (int Status, string Body) Send(int port, ReadOnlySpan<byte> request)
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = AnswerMillisecondsMax };
        socket.Connect(IPAddress.Loopback, port);
        while (!request.IsEmpty)
        {
            request = request[socket.Send(request)..];
        }

        using MemoryStream response = new();
        byte[] buffer = new byte[64 * 1024];
        int received;
        string head = "";
        while ((received = socket.Receive(buffer)) > 0)
        {
            response.Write(buffer, 0, received);
            ReadOnlySpan<byte> all = response.GetBuffer().AsSpan(0, (int)response.Length);
            int end = all.IndexOf("\r\n\r\n"u8);
            if (end < 0)
            {
                continue;
            }

            head = Encoding.ASCII.GetString(all[..end]);
            long? length = ContentLength(head);
            bool isChunkedEnd = length is null && all.EndsWith("0\r\n\r\n"u8);
            if (isChunkedEnd || all.Length - end - 4 >= length)
            {
                break;
            }
        }

        if (head.Length < 12)
        {
            throw new InvalidOperationException($"port {port} answered nothing that is HTTP");
        }

        return (int.Parse(head.AsSpan(9, 3), CultureInfo.InvariantCulture), Encoding.UTF8.GetString(response.GetBuffer(), head.Length + 4, (int)response.Length - head.Length - 4));
    }

    private static long? ContentLength(string head)
    {
        const string name = "content-length:";
        foreach (string line in head.Split("\r\n"))
        {
            if (line.StartsWith(name, StringComparison.OrdinalIgnoreCase))
            {
                return long.Parse(line.AsSpan(name.Length), NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture);
            }
        }

        return null;
    }
}
