using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;

namespace Aeronet.Transport.Connect;

/// <summary>Connects to one of the addresses of a name: in the resolver's order, each when the one before has failed or has not answered for a moment.</summary>
/// <remarks>RFC 8305 section 5. So an address that is dead costs a moment, and not all the time that the caller has for the whole name.</remarks>
internal static class AddressRace
{
    /// <summary>The head start of each address: RFC 8305 section 8, "Connection Attempt Delay", as recommended.</summary>
    internal static readonly TimeSpan HeadStart = TimeSpan.FromMilliseconds(250);

    /// <summary>Attempts under way at once: who answers for a name decides how many addresses it has. While more addresses are left, the oldest attempt gives way after a head start.</summary>
    internal const int AttemptsMax = 4;

    /// <summary>The first connection that is through; the other attempts are cancelled, and what they bring nevertheless is discarded.</summary>
    /// <exception cref="SocketException">No address takes the connection: the last refusal.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static async Task<T> RunAsync<T>(IPAddress[] addresses, Func<IPAddress, CancellationToken, Task<T>> connectAsync, Func<T, ValueTask> discardAsync, TimeProvider time, CancellationToken cancellationToken)
    {
        Debug.Assert(addresses.Length > 0);
        using CancellationTokenSource ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        List<Task<T>> running = []; // oldest first
        Dictionary<Task<T>, CancellationTokenSource> sources = [];
        int next = 0;
        try
        {
            while (true)
            {
                if (next < addresses.Length)
                {
                    Begin(addresses[next++]);
                }
                Task<Task<T>> first = Task.WhenAny(running);
                if (next < addresses.Length)
                {
                    await ((Task)first).WaitAsync(HeadStart, time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    if (!first.IsCompleted)
                    {
                        if (running.Count == AttemptsMax)
                        {
                            // Silent for a second: a whole family that leads nowhere must not keep the other from its turn.
                            Task<T> oldest = running[0];
                            running.RemoveAt(0);
                            await sources[oldest].CancelAsync().ConfigureAwait(false);
                            _ = DiscardAsync(oldest, discardAsync);
                        }
                        continue;
                    }
                }
                Task<T> done = await first.ConfigureAwait(false);
                running.Remove(done);
                try
                {
                    return await done.ConfigureAwait(false);
                }
                catch (SocketException) when (running.Count > 0 || next < addresses.Length)
                {
                    // Another one may answer.
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken); // the caller's own, by which HttpClient knows its time-out
        }
        finally
        {
            await ended.CancelAsync().ConfigureAwait(false);
            foreach (Task<T> loser in running)
            {
                _ = DiscardAsync(loser, discardAsync);
            }
            foreach (CancellationTokenSource source in sources.Values)
            {
                source.Dispose();
            }
        }

        void Begin(IPAddress address)
        {
            CancellationTokenSource source = CancellationTokenSource.CreateLinkedTokenSource(ended.Token);
            Task<T> attempt = TryAsync(address, source.Token);
            running.Add(attempt);
            sources.Add(attempt, source);
        }

        // A refusal that is thrown at once, as for want of a route, is one like any other.
        async Task<T> TryAsync(IPAddress address, CancellationToken token) => await connectAsync(address, token).ConfigureAwait(false);
    }

    private static async Task DiscardAsync<T>(Task<T> loser, Func<T, ValueTask> discardAsync)
    {
        try
        {
            await discardAsync(await loser.ConfigureAwait(false)).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is SocketException or OperationCanceledException)
        {
            // It has lost either way.
        }
    }
}
