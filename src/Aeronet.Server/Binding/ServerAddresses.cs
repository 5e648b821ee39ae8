using System;
using System.Collections;
using System.Collections.Generic;
using System.Threading;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace Aeronet.Server.Binding;

/// <summary>The addresses to listen on before the start, and the bound ones after it. Any thread.</summary>
/// <remarks>
/// While the server runs the list tells what is bound, and changes from outside have no effect (<see cref="IsReadOnly"/> says so). A test host's
/// factory changes it while the application's own thread is starting the server: without this it would replace bound addresses by its port 0.
/// </remarks>
internal sealed class ServerAddresses : IServerAddressesFeature, ICollection<string>
{
    private readonly Lock _lock = new();
    private readonly List<string> _items = [];
    private bool _isRunning; // under the lock

    public ICollection<string> Addresses => this;

    public bool PreferHostingUrls { get; set; }

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _items.Count;
            }
        }
    }

    public bool IsReadOnly
    {
        get
        {
            lock (_lock)
            {
                return _isRunning;
            }
        }
    }

    /// <summary>A run begins: the list, empty, is the server's.</summary>
    public void BeginRun()
    {
        lock (_lock)
        {
            _items.Clear();
            _isRunning = true;
        }
    }

    /// <summary>The run has ended: the list is everybody's again, with what is given or, without it, what was bound last.</summary>
    public void EndRun(string[]? restored = null)
    {
        lock (_lock)
        {
            _isRunning = false;
            if (restored is not null)
            {
                _items.Clear();
                _items.AddRange(restored);
            }
        }
    }

    /// <summary>An address is bound.</summary>
    public void Publish(string address)
    {
        lock (_lock)
        {
            _items.Add(address);
        }
    }

    /// <summary>An address is no longer bound.</summary>
    public void Withdraw(string address)
    {
        lock (_lock)
        {
            _items.Remove(address);
        }
    }

    public void Add(string item)
    {
        lock (_lock)
        {
            if (!_isRunning)
            {
                _items.Add(item);
            }
        }
    }

    public void Clear()
    {
        lock (_lock)
        {
            if (!_isRunning)
            {
                _items.Clear();
            }
        }
    }

    public bool Contains(string item)
    {
        lock (_lock)
        {
            return _items.Contains(item);
        }
    }

    public void CopyTo(string[] array, int arrayIndex)
    {
        lock (_lock)
        {
            _items.CopyTo(array, arrayIndex);
        }
    }

    public bool Remove(string item)
    {
        lock (_lock)
        {
            return !_isRunning && _items.Remove(item);
        }
    }

    /// <summary>Enumerates a copy: a configuration change may replace addresses meanwhile.</summary>
    public IEnumerator<string> GetEnumerator() => ((IEnumerable<string>)ToArray()).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public string[] ToArray()
    {
        lock (_lock)
        {
            return _items.ToArray();
        }
    }
}
