using System;
using System.Collections;
using System.Collections.Generic;
using System.Threading;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace Aeronet.Server.Binding;

/// <summary>The addresses to listen on before the start, and the bound ones after it. Any thread.</summary>
internal sealed class ServerAddresses : IServerAddressesFeature, ICollection<string>
{
    private readonly Lock _lock = new();
    private readonly List<string> _items = [];

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

    public bool IsReadOnly => false;

    public void Add(string item)
    {
        lock (_lock)
        {
            _items.Add(item);
        }
    }

    public void Clear()
    {
        lock (_lock)
        {
            _items.Clear();
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
            return _items.Remove(item);
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
